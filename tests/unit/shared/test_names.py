import json
import re
from pathlib import Path

from shared import names
from shared.domain.target import MAX_CHUNK_TARGETS
from shared.pipeline.events import Event
from shared.pipeline.payloads import ChangePause, HealthCheck, Payload


def test_every_stage_has_a_queue_whose_name_azure_takes() -> None:
    assert list(names.QUEUES) == list(names.Stage)
    assert len(set(names.QUEUES.values())) == len(names.Stage)
    for queue in names.QUEUES.values():
        # Queue names: 3 to 63 of lower-case letters, digits and single hyphens.
        assert re.fullmatch(r"[a-z0-9](-?[a-z0-9])+", queue + names.POISON_SUFFIX)
        assert 3 <= len(queue + names.POISON_SUFFIX) <= 63


def test_the_poison_suffix_is_the_hosts() -> None:
    assert names.POISON_SUFFIX == "-poison"


def test_blob_containers_are_apart() -> None:
    assert len({names.RAW_CONTAINER, names.EVIDENCE_CONTAINER, names.DEAD_LETTER_CONTAINER}) == 3


def test_every_payload_goes_to_a_stage() -> None:
    kinds = [payload.model_fields["kind"].default for payload in Payload.__args__]
    every_stages = {HealthCheck, ChangePause}
    assert {p.stage for p in Payload.__args__ if p not in every_stages} == set(names.Stage)
    assert len(set(kinds)) == len(kinds)


def test_every_event_of_names_json_is_one_of_the_code() -> None:
    assert set(names.EVENTS.values()) == {str(event) for event in Event}


def test_the_partition_of_a_chunk_is_its_batch() -> None:
    containers = json.loads(Path(names.__file__).with_name("names.json").read_text())["cosmosContainers"]
    assert containers["targets"]["partitionKey"] == ["/chunkId"]
    assert MAX_CHUNK_TARGETS + 1 <= 100

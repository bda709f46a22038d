"""Names that Azure resources and the code share, from names.json, which Bicep reads too."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

_NAMES: dict[str, Any] = json.loads(Path(__file__).with_name("names.json").read_text(encoding="utf-8"))


class Stage(StrEnum):
    """The stages of the pipeline, in the order that an alert passes them."""

    INGEST_ALERT = "ingest_alert"
    ENRICH = "enrich"
    EXPAND_RECIPIENTS = "expand_recipients"
    QUARANTINE = "quarantine"
    REPORT = "report"


QUEUES: dict[Stage, str] = {Stage(stage): queue for stage, queue in _NAMES["queues"].items()}
EVENTS: dict[str, str] = _NAMES["events"]
POISON_SUFFIX: str = _NAMES["poisonSuffix"]
WEB_SENDS_TO: tuple[Stage, ...] = tuple(map(Stage, _NAMES["web"]["sendsTo"]))
"""Whose queues the web app may send to."""
WEB_READS: tuple[str, ...] = tuple(_NAMES["web"]["reads"])
"""The Cosmos DB containers that the web app may read, by key."""
BLOB_CONTAINERS: dict[str, str] = _NAMES["blobContainers"]
RAW_CONTAINER: str = _NAMES["blobContainers"]["raw"]
"""What senders posted, untouched. Apart from the rest of the evidence, since the web app may add to it."""
EVIDENCE_CONTAINER: str = _NAMES["blobContainers"]["evidence"]
DEAD_LETTER_CONTAINER: str = _NAMES["blobContainers"]["deadLetters"]
SOURCES: tuple[str, ...] = tuple(_NAMES["sources"])
COSMOS_CONTAINERS: dict[str, str] = {key: c["name"] for key, c in _NAMES["cosmosContainers"].items()}

QUEUE_CONNECTION = "PipelineStorage"
"""Prefix of the app settings that say where the pipeline's queues are."""

"""Documents and queue messages of the last release, kept in tests/kept: today's code reads them and works on them.

`tests/kept/v1` was written by version 0.1. A change that cannot read it needs a new document type or envelope version.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from functions.enrich.handler import handle as handle_enrich
from functions.enrich.models import Deps as EnrichDeps
from functions.quarantine.handler import handle as handle_quarantine
from functions.quarantine.models import Deps as QuarantineDeps
from shared.adapters.cosmos import alerts as cosmos_alerts
from shared.adapters.cosmos.database import document, record
from shared.domain.activity import Entry
from shared.domain.alert import Alert
from shared.domain.base import Stored
from shared.domain.incident import AlertLink, AlertStep, Incident, Intake, Plan
from shared.domain.target import Chunk, Target, TargetState
from shared.names import Stage
from shared.pipeline.envelope import Envelope
from shared.pipeline.payloads import (
    EnrichAlerts,
    ExpandRecipients,
    IngestAlert,
    Payload,
    PullChunk,
    QuarantineMessage,
    ReportMessage,
    RestoreChunk,
    UndoPull,
)
from shared.pipeline.stage import Done
from shared.ports.mailboxes import Item
from tests.fakes.clock import START
from tests.world import World

KEPT = Path(__file__).parents[1] / "kept"
DOCUMENTS: list[dict[str, Any]] = json.loads((KEPT / "v1" / "documents.json").read_text(encoding="utf-8"))
MESSAGES: list[dict[str, Any]] = json.loads((KEPT / "v1" / "messages.json").read_text(encoding="utf-8"))


def _models(of: type[Stored] = Stored) -> dict[str, type[Stored]]:
    found: dict[str, type[Stored]] = {}
    for model in of.__subclasses__():
        if "document_type" in vars(model) and model.__module__.startswith("shared."):
            found[model.document_type] = model
        found |= _models(model)
    return found


MODELS: dict[str, type[Stored]] = {**_models(), "entry": Entry, "message_owner": cosmos_alerts.MessageOwner}


def test_every_kind_of_document_and_message_is_kept() -> None:
    # An alert and its link in a case have one name, in two containers.
    assert {one["type"] for one in DOCUMENTS} == set(MODELS)
    assert {one["payload"]["kind"] for one in MESSAGES} == {
        kind.model_fields["kind"].default for kind in Payload.__args__
    }


def _model_of(stored: dict[str, Any]) -> type[Stored]:
    if stored["type"] == AlertLink.document_type:
        return Alert if "vendorAlertId" in stored else AlertLink
    return MODELS[stored["type"]]


@pytest.mark.parametrize("stored", DOCUMENTS, ids=lambda one: f"{one['type']} {one['id']}")
def test_nothing_of_a_kept_document_changes_when_it_is_written_back(stored: dict[str, Any]) -> None:
    assert _of_those_fields(document(record(_model_of(stored), stored)), stored) == stored


@pytest.mark.parametrize("stored", DOCUMENTS, ids=lambda one: f"{one['type']} {one['id']}")
def test_what_a_newer_version_added_is_kept_when_older_code_writes(stored: dict[str, Any]) -> None:
    newer = {**_extended(stored), "schemaVersion": 2}
    read = record(_model_of(stored), newer)
    written = document(read.model_copy(update={"schema_version": read.schema_version}))
    assert _of_those_fields(written, newer) == newer


def _of_those_fields(written: Any, stored: Any) -> Any:
    """What is written, without the fields that came after what is stored: they have their defaults."""
    match written, stored:
        case dict(), dict():
            return {key: _of_those_fields(value, stored[key]) for key, value in written.items() if key in stored}
        case list(), list() if len(written) == len(stored):
            return [_of_those_fields(*pair) for pair in zip(written, stored, strict=True)]
        case _:
            return written


def _extended(value: Any) -> Any:
    """The document with a field more in each of its objects that we model."""
    match value:
        case dict():
            inner = {key: one if key in _FREE else _extended(one) for key, one in value.items()}
            return {**inner, "newField": {"a": [1]}}
        case list():
            return [_extended(one) for one in value]
        case _:
            return value


# Objects whose keys are data: numbers by state, Graph's flag, details of an event.
_FREE = {"states", "flag", "data"}


PAYLOADS: dict[Stage, TypeAdapter[Any]] = {
    Stage.INGEST_ALERT: TypeAdapter(IngestAlert),
    Stage.ENRICH: TypeAdapter(EnrichAlerts),
    Stage.EXPAND_RECIPIENTS: TypeAdapter(ExpandRecipients),
    Stage.QUARANTINE: TypeAdapter(QuarantineMessage),
    Stage.REPORT: TypeAdapter(ReportMessage),
}


def _payload(kept: dict[str, Any]) -> tuple[Envelope, Payload]:
    envelope = Envelope.model_validate(kept)
    return envelope, PAYLOADS[envelope.stage].validate_python(envelope.payload)


STAGE_MESSAGES = [one for one in MESSAGES if one["payload"]["kind"] != "health_check"]


@pytest.mark.parametrize("kept", STAGE_MESSAGES, ids=lambda one: str(one["payload"]["kind"]))
def test_a_kept_message_is_read_also_with_a_field_of_a_newer_version(kept: dict[str, Any]) -> None:
    envelope, payload = _payload(kept)
    assert payload.stage is envelope.stage
    newer = {**kept, "newField": 1, "payload": {**kept["payload"], "newField": 1}}
    assert _payload(newer)[1].kind == payload.kind


def _kept(model: type[Any]) -> list[Any]:
    return [record(model, one) for one in DOCUMENTS if _model_of(one) is model]


async def _world() -> World:
    """A world that holds what the last release left: a case with an undecided alert and a running plan."""
    world = World()
    world.person("ann")
    world.person("bob")
    (alert,) = _kept(Alert)
    await world.alerts.add(alert)
    (incident,), (plan,), (intake,) = _kept(Incident), _kept(Plan), _kept(Intake)
    world.incidents.keep(incident, *_kept(AlertLink), plan)
    world.incidents.put(incident.id, incident, intake)
    (chunk,) = _kept(Chunk)
    await world.targets.add_chunk(chunk, _kept(Target))
    return world


async def test_a_pull_that_the_last_release_began_is_finished() -> None:
    world = await _world()
    (message,) = [p for kept in STAGE_MESSAGES if isinstance(p := _payload(kept)[1], PullChunk)]
    target = next(one for one in _kept(Target) if one.state is TargetState.PLANNED)
    item = Item(
        id="item-9",
        internet_message_id=target.internet_message_id,
        folder_id="",
        sender=target.sender,
        received_at=START,
    )
    world.mailboxes.add_item("ann", "Inbox", item)

    assert await handle_quarantine(message, world.provide(QuarantineDeps)) == Done()

    states = {one.mailbox.id: one.state for one in world.targets.all}
    assert states == {"ann": TargetState.QUARANTINED, "bob": TargetState.QUARANTINED}


def _said(kind: type[Any]) -> list[tuple[bool | None, bool, bool]]:
    """Of the kept messages of this kind: what `all` says, whether targets are named, what is meant."""
    read = [p for kept in STAGE_MESSAGES if isinstance(p := _payload(kept)[1], kind)]
    return [(one.all, bool(one.targets), one.takes_all) for one in read]


@pytest.mark.parametrize("kind", [UndoPull, RestoreChunk])
def test_a_kept_message_that_names_no_target_means_all_and_a_newer_one_says_so(kind: type[Any]) -> None:
    assert _said(kind) == [(None, True, False), (None, False, True), (True, False, True)]


async def test_an_alert_that_the_last_release_took_in_is_decided() -> None:
    world = await _world()
    (message,) = [p for kept in STAGE_MESSAGES if isinstance(p := _payload(kept)[1], EnrichAlerts)]

    assert await handle_enrich(message, world.provide(EnrichDeps)) == Done()

    links = world.incidents.of(message.incident_id, AlertLink)
    assert {link.step for link in links} == {AlertStep.DECIDED, AlertStep.PLANNED}

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from cli import operator_services
from cli.errors import REFUSED, UNREACHABLE, USAGE
from cli.main import main
from shared.bootstrap import Services
from shared.domain.ids import IncidentId
from shared.errors import DeniedError, NotFoundError, UnavailableError
from shared.names import Stage
from shared.pipeline.envelope import MAX_BODY, Envelope, new_envelope
from shared.pipeline.payloads import EnrichAlerts
from shared.ports.dead_letters import DeadLetter
from tests.fakes.clock import START
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.queue import FakeQueue


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(dead_letters=FakeDeadLetters(), queue=FakeQueue())

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        yield cast("Services", made)

    monkeypatch.setattr(operator_services, "opened", opened)
    return made


def _dead_letter(services: SimpleNamespace, message_id: str, body: bytes, days: int = 0, detail: str = "") -> None:
    at = START + timedelta(days=days)
    asyncio.run(services.dead_letters.add(Stage.ENRICH, message_id, body, reason="poison", detail=detail, at=at))


def _envelope() -> Envelope:
    payload = EnrichAlerts(incident_id=IncidentId("incident-1"))
    return new_envelope(payload, correlation_id="incident-1", now=START).model_copy(update={"attempt": 7})


def test_the_list_is_safe_for_a_terminal(services: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    _dead_letter(services, "young", b"", days=1, detail="\x1b[2Jbad")
    _dead_letter(services, "old", b"")
    assert main(["dead-letter", "list"]) == 0
    text = capsys.readouterr().out
    assert text.index("enrich-old") < text.index("enrich-young")
    assert "\x1b" not in text
    assert main(["dead-letter", "list", "--json"]) == 0
    assert [message["messageId"] for message in json.loads(capsys.readouterr().out)] == ["old", "young"]


def test_a_replayed_message_is_on_its_queue_with_a_new_age(
    services: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    _dead_letter(services, "m", _envelope().model_dump_json().encode())
    assert main(["dead-letter", "replay", "enrich-m"]) == 0
    assert "enrich-m is on its queue again" in capsys.readouterr().out
    (sent,) = services.queue.waiting
    assert sent.envelope.payload == _envelope().payload
    assert sent.envelope.attempt == 0
    assert sent.envelope.sent_at > START
    assert services.dead_letters.messages["enrich-m"].replayed_at is not None


def test_a_message_of_somebody_else_is_not_replayed(
    services: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    _dead_letter(services, "m", b"\xff not ours")
    assert main(["dead-letter", "replay", "enrich-m"]) == REFUSED
    assert "not a message of Clawback" in capsys.readouterr().err
    assert services.queue.waiting == []
    assert services.dead_letters.messages["enrich-m"].replayed_at is None


def test_an_unknown_id_is_refused(services: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letter", "replay", "enrich-x", "--json"]) == REFUSED
    assert "no dead letter has the id enrich-x" in json.loads(capsys.readouterr().err)["error"]


def test_a_message_that_is_too_large_is_not_replayed(
    services: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    large = _envelope().model_copy(update={"payload": {"padding": "x" * MAX_BODY}})
    _dead_letter(services, "m", large.model_dump_json().encode())
    assert main(["dead-letter", "replay", "enrich-m"]) == REFUSED
    assert "larger than a message" in capsys.readouterr().err
    assert services.dead_letters.messages["enrich-m"].replayed_at is None


def test_incomplete_settings_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PipelineStorage__blobServiceUri", "https://nowhere.example.com")
    assert main(["dead-letter", "list"]) == USAGE
    assert "CLAWBACK_COSMOS_ENDPOINT" in capsys.readouterr().err


def test_local_dead_letters_are_not_shown_for_a_deployment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PipelineStorage__blobServiceUri", raising=False)
    monkeypatch.setenv("CLAWBACK_API_URL", "https://clawback.example.com")
    assert main(["dead-letter", "list"]) == USAGE
    assert "PipelineStorage__blobServiceUri" in capsys.readouterr().err


def test_without_settings_and_local_cloud_it_is_wrong_usage(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("PipelineStorage__blobServiceUri", raising=False)
    monkeypatch.delenv("CLAWBACK_API_URL", raising=False)
    assert main(["dead-letter", "list"]) == USAGE
    assert "Which Clawback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UnavailableError("list dead letters"), UNREACHABLE, "not available now: list dead letters"),
        (NotFoundError("list dead letters"), REFUSED, "there is no container dead-letters"),
        (DeniedError("list dead letters"), REFUSED, "you may not: list dead letters"),
    ],
)
def test_a_service_that_refuses_is_a_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, status: int, text: str
) -> None:
    class Refusing(FakeDeadLetters):
        async def all(self) -> AsyncIterator[DeadLetter]:
            async for message in super().all():
                yield message
            raise error

    class Broken(Services):
        dead_letters = Refusing()

    for name in ("PipelineStorage__queueServiceUri", "PipelineStorage__blobServiceUri", "CLAWBACK_COSMOS_ENDPOINT"):
        monkeypatch.setenv(name, "https://nowhere.example.com")
    monkeypatch.setattr(operator_services, "OperatorServices", Broken)
    assert main(["dead-letter", "list"]) == status
    assert text in capsys.readouterr().err

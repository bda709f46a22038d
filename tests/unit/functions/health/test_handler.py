import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.health.handler import begin, read, settings_wrong
from functions.health.models import BeginDeps, ReadDeps
from shared.domain.alert import RawPayload
from shared.errors import DeniedError, NotFoundError
from shared.health.check import ROUND, TRIPS, about_us, stop
from shared.names import SOURCES
from shared.pipeline.payloads import HealthCheck
from shared.ports.health import Probe
from shared.settings import Settings
from shared.web.problems import Problem
from tests.fakes.clock import START, FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.queue import FakeQueue

HEALTHY = {source: [SecretStr("secret")] for source in SOURCES}
BODY = b'{"by": "ada", "mailboxes": ["ann@contoso.example"]}'


class Nothing:
    """`Probed` with nothing to look at."""

    async def probe(self) -> list[Probe]:
        return []


def deps(secrets: dict[str, list[SecretStr]] | None = None, evidence: FakeEvidence | None = None) -> BeginDeps:
    settings = Settings.model_construct(webhook_secrets=HEALTHY if secrets is None else secrets)
    clock = FakeClock()
    return BeginDeps(settings, FakeQueue(now=clock), evidence or FakeEvidence(), Nothing(), clock)


def ill(answer: dict[str, Any]) -> dict[str, str]:
    return {probe["what"]: probe["result"] for probe in answer["web"]["probes"] if probe["result"] != "ok"}


async def test_messages_go_out_on_every_trip_and_who_asked_is_kept() -> None:
    at = deps()

    answer = await begin({}, BODY, at)

    assert ill(answer) == {}
    assert isinstance(at.queue, FakeQueue)
    assert {(sent.trip, sent.route) for sent in at.queue.sent if isinstance(sent, HealthCheck)} == set(TRIPS.items())
    assert isinstance(at.evidence, FakeEvidence)
    (record,) = at.evidence.blobs.values()
    assert json.loads(record)["by"] == "ada"


async def test_what_web_may_not_is_told_and_the_rest_goes_on() -> None:
    class Full(FakeEvidence):
        async def keep(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> RawPayload:
            raise DeniedError("keep evidence")

    at = deps(evidence=Full())
    assert ill(await begin({}, BODY, at)) == {"container raw: add": "denied"}
    assert isinstance(at.queue, FakeQueue)
    assert len(at.queue.sent) == len(TRIPS)


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        (None, "missing"),
        ("@Microsoft.KeyVault(SecretUri=https://v/secrets/x)", "missing"),
        ("plain", "wrong"),
        ("[]", "wrong"),
    ],
)
async def test_a_secret_that_is_not_there_is_told(
    setting: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("CLAWBACK_WEBHOOK_SECRETS__clawback", setting)

    answer = await begin({}, BODY, deps({**HEALTHY, "clawback": []}))

    assert ill(answer) == {"webhook secret of clawback": found}
    assert setting is None or setting not in json.dumps(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"by": "a", "mailboxes": "x"}',
        b'{"by": "a", "mailboxes": [""]}',
        b'{"by": "a", "route": []}',
        json.dumps({"by": "a", "mailboxes": ["x@y.example"] * 21}).encode(),
    ],
)
async def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(Problem, match="body is not what"):
        await begin({}, body, deps())


async def test_reading_tells_where_the_messages_have_been() -> None:
    evidence = FakeEvidence()
    check_id = "health-" + "0" * 32
    check = HealthCheck(id=check_id, trip=ROUND, route=TRIPS[ROUND])
    await evidence.keep(stop(check), about_us(START).model_dump_json().encode())

    answer = await read(check_id, ReadDeps(evidence))

    assert {trip: len(stops) for trip, stops in answer["trips"].items()} == {t: len(r) for t, r in TRIPS.items()}
    first, *others = answer["trips"][ROUND]
    assert datetime.fromisoformat(first["report"]["at"]) == START
    assert not any("report" in other for other in others)


@pytest.mark.parametrize("check_id", ["", "health-1", "../raw/x", "health-" + "G" * 32, "health-" + "0" * 33])
async def test_what_is_no_id_is_not_looked_for(check_id: str) -> None:
    with pytest.raises(NotFoundError):
        await read(check_id, ReadDeps(FakeEvidence()))


def test_wrong_settings_are_told_by_name_and_not_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWBACK_LEASE_SECONDS", "do-not-repeat")
    with pytest.raises(ValidationError) as failed:
        Settings()

    answer = json.dumps(settings_wrong(failed.value))

    assert "CLAWBACK_LEASE_SECONDS: int_parsing" in answer
    assert "CLAWBACK_COSMOS_ENDPOINT: missing" in answer
    assert "do-not-repeat" not in answer

"""Pause and resume as people ask for them: for administrators, with who and why, sent where the shortest queue is."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.pause.handler import change, show
from functions.pause.models import PauseDeps
from shared.domain.tenant import Pause, PauseChange
from shared.errors import UnavailableError
from shared.names import WEB_SENDS_TO
from shared.pipeline.payloads import ChangePause, Payload
from shared.settings import SIGN_IN
from shared.web.problems import Problem
from tests.fakes.clock import START, FakeClock
from tests.fakes.queue import FakeQueue
from tests.fakes.tenant import FakeTenant
from tests.unit.shared.web.test_sign_in import role

BODY = {"by": "ann", "reason": "wrong mail is pulled"}


class Refusing(FakeQueue):
    """A queue service of which some queues do not answer."""

    silent: frozenset[str] = frozenset()

    async def send(
        self, payload: Payload, *, correlation_id: str, delay: timedelta | None = None, since: datetime | None = None
    ) -> None:
        if payload.stage in self.silent:
            raise UnavailableError("send", 5.0)
        await super().send(payload, correlation_id=correlation_id, delay=delay, since=since)


@dataclass
class World:
    queue: Refusing = field(default_factory=Refusing)
    tenant: FakeTenant = field(default_factory=FakeTenant)

    @property
    def deps(self) -> PauseDeps:
        return PauseDeps(tenant=self.tenant, queue=self.queue, now=FakeClock())


async def asked(world: World, *, paused: bool = True, headers: Any = None, **body: Any) -> dict[str, str]:
    return await change(headers or {}, json.dumps({**BODY, **body}).encode(), world.deps, paused=paused)


@pytest.mark.parametrize("paused", [True, False])
async def test_it_is_sent_on_each_queue_that_web_may_send_to(*, paused: bool) -> None:
    world = World()
    answer = await asked(world, paused=paused)
    assert world.queue.sent == [
        ChangePause(
            stage=stage,
            command_id=answer["commandId"],
            paused=paused,
            by="ann",
            at=START,
            reason="wrong mail is pulled",
        )
        for stage in WEB_SENDS_TO
    ]
    assert [sent.envelope.stage for sent in world.queue.waiting] == list(WEB_SENDS_TO)


async def test_one_queue_that_takes_it_is_enough() -> None:
    world = World()
    world.queue.silent = frozenset(WEB_SENDS_TO[:-1])
    assert "commandId" in await asked(world)
    assert len(world.queue.sent) == 1

    world.queue.silent = frozenset(WEB_SENDS_TO)
    with pytest.raises(UnavailableError):
        await asked(world)


@pytest.mark.parametrize(
    ("change_of_body", "status", "slug"),
    [
        ({"reason": None}, 422, "wrong-shape"),
        ({"reason": ""}, 422, "wrong-shape"),
        ({"reason": "\u202e"}, 422, "wrong-shape"),
        ({"by": ""}, 422, "wrong-shape"),
        ({"by": None}, 422, "nobody-asks"),
        ({"until": "tomorrow"}, 422, "wrong-shape"),
    ],
)
async def test_who_and_why_are_mandatory(change_of_body: dict[str, Any], status: int, slug: str) -> None:
    world = World()
    with pytest.raises(Problem) as raised:
        await asked(world, **change_of_body)
    assert (raised.value.status, raised.value.body["type"]) == (status, f"urn:clawback:problem:{slug}")
    assert world.queue.sent == []


async def test_without_a_reason_at_all_it_is_refused() -> None:
    with pytest.raises(Problem) as raised:
        await change({}, b'{"by": "ann"}', World().deps, paused=True)
    assert raised.value.status == 422


@pytest.mark.parametrize(("name", "allowed"), [("Reader", False), ("Responder", False), ("Administrator", True)])
async def test_only_an_administrator_pauses(name: str, *, allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN, "required")
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    world = World()
    headers = {"X-MS-CLIENT-PRINCIPAL-NAME": "real@contoso.example", **role(name)}
    if allowed:
        await asked(world, headers=headers)
        assert {vars(sent)["by"] for sent in world.queue.sent} == {"real@contoso.example"}
    else:
        with pytest.raises(Problem) as raised:
            await asked(world, headers=headers)
        assert (raised.value.status, world.queue.sent) == (403, [])


async def test_who_paused_and_why_is_shown_the_newest_first() -> None:
    world = World()
    assert await show(world.deps) == {"paused": False, "changes": []}
    pause = Pause()
    for number, paused in enumerate((True, False, True)):
        at = START + timedelta(seconds=number)
        told = PauseChange(command_id=f"cmd-{number}", paused=paused, by="ann", at=at, reason=f"why {number}")
        pause = pause.after(told) or pause
    world.tenant.put(pause)
    found = await show(world.deps)
    assert found["paused"] is True
    assert [(one["reason"], one["paused"], one["by"]) for one in found["changes"]] == [
        ("why 2", True, "ann"),
        ("why 1", False, "ann"),
        ("why 0", True, "ann"),
    ]

"""Questions about hidden mail: what is taken, what is refused, and how the answer is read."""

import json
from typing import Any

import pytest

from functions.hidden.handler import ask_for_list, ask_for_restore, read
from functions.hidden.models import AskDeps, ReadDeps
from shared.domain.hidden import MAX_ITEMS, HiddenAsked, asked_path, report_path
from shared.domain.ids import IncidentId
from shared.domain.incident import Incident
from shared.errors import NotFoundError
from shared.pipeline.payloads import HiddenMail
from shared.web.problems import Problem
from tests.fakes.clock import START, FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import FakeQueue

GUID = "00000000-0000-0000-0000-000000000001"


class Web:
    """The services of web."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.incidents = FakeIncidents()
        self.evidence = FakeEvidence()
        self.queue = FakeQueue(now=clock)
        self.incidents.keep(Incident(id=IncidentId("inc-1"), opened_at=START))
        self.deps = AskDeps(self.incidents, self.evidence, self.queue, clock)

    def asked(self) -> HiddenAsked:
        (blob,) = self.evidence.blobs.values()
        return HiddenAsked.model_validate_json(blob)


def body(**fields: Any) -> bytes:
    return json.dumps({"by": "ada", "reason": "mistake", **fields}).encode()


async def test_a_question_is_kept_before_its_message_which_has_its_id_only() -> None:
    web = Web()
    answer = await ask_for_list({}, body(mailbox="Ann@Contoso.example"), web.deps)
    asked = web.asked()
    assert web.queue.sent == [HiddenMail(id=answer["id"])]
    assert list(web.evidence.blobs) == [asked_path(answer["id"])]
    assert (asked.mailbox, asked.by, asked.reason, asked.restore) == ("ann@contoso.example", "ada", "mistake", False)


async def test_a_restore_names_mail_or_all_with_its_number() -> None:
    web = Web()
    await ask_for_restore({}, body(mailbox=GUID, items=["a", "b", "a"]), web.deps)
    assert (web.asked().items, web.asked().count, web.asked().restore) == (("a", "b"), None, True)
    web = Web()
    await ask_for_restore({}, body(incidentId="inc-1", all=True, count=3), web.deps)
    assert (web.asked().items, web.asked().count, web.asked().incident_id) == ((), 3, "inc-1")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"items": []},
        {"all": True},
        {"count": 3},
        {"all": True, "count": 3, "items": ["a"]},
        {"all": True, "count": 0},
        {"items": ["a"] * (MAX_ITEMS + 1)},
        {"items": [""]},
        {"items": ["a"], "reason": " "},
        {"items": ["a"], "mailbox": None},
        {"items": ["a"], "incidentId": "inc-1"},
        {"items": ["a"], "mailbox": "ann"},
        {"items": ["a"], "mailbox": "a/../b@c"},
        {"items": ["a"], "mailbox": None, "incidentId": "a/b"},
    ],
)
async def test_an_empty_or_unclear_selection_is_refused_and_never_means_all(fields: dict[str, Any]) -> None:
    web = Web()
    with pytest.raises(Problem) as caught:
        await ask_for_restore({}, body(**{"mailbox": "ann@contoso.example", **fields}), web.deps)
    assert caught.value.status == 422
    assert web.queue.sent == []
    assert web.evidence.blobs == {}


async def test_a_case_that_there_is_not_and_a_person_who_is_not_named_are_refused() -> None:
    web = Web()
    with pytest.raises(NotFoundError):
        await ask_for_list({}, body(incidentId="inc-9"), web.deps)
    with pytest.raises(Problem):
        await ask_for_list({}, b'{"mailbox": "ann@contoso.example"}', web.deps)
    assert web.queue.sent == []


async def test_the_answer_is_read_once_it_is_there() -> None:
    web = Web()
    key = (await ask_for_list({}, body(mailbox=GUID), web.deps))["id"]
    deps = ReadDeps(web.evidence)
    assert set(await read(key, deps)) == {"id", "asked"}
    web.evidence.blobs[report_path(key)] = b'{"found": {}}'
    answer = await read(key, deps)
    assert (answer["report"], answer["asked"]["mailbox"]) == ({"found": {}}, GUID)


@pytest.mark.parametrize("key", ["hidden-" + "0" * 32, "x", "hidden-../" + "0" * 29])
async def test_a_question_that_nobody_asked_has_no_answer(key: str) -> None:
    with pytest.raises(NotFoundError):
        await read(key, ReadDeps(FakeEvidence()))

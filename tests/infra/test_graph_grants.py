"""Each Graph call has its grant and each grant its call: what the adapters do, against infra/bicep/graph."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from local.cloud import default_tenant
from local.emulators.graph.permissions import table
from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.graph.mailboxes import GraphMailboxes
from shared.domain.ids import MailboxId
from shared.errors import DeniedError, UnavailableError
from shared.ports.answers import Refusal
from shared.ports.mailboxes import Item, Where
from tests.contract.graph_worlds import RECEIVED, App, local_graph
from tests.infra.operations import ROOT

GRANTS = json.loads((ROOT / "infra" / "bicep" / "graph" / "permissions.json").read_text(encoding="utf-8"))["pipeline"]

# The well-known name stands where any folder's id may stand.
_SPELLINGS = {
    "/mailfolders/inbox/messagerules": "/mailfolders/{id}/messagerules",
    "/transitivemembers/{id}": "/transitivemembers",
}

USER = default_tenant().users[0]
MAILBOX = MailboxId(USER.id)
ITEM = Item(id="none", internet_message_id="<1@evil.example>", folder_id="")
SINCE, UNTIL = RECEIVED - timedelta(days=1), RECEIVED

CALLS: dict[str, Callable[[GraphMailboxes, GraphDirectory], Awaitable[object]]] = {
    "find": lambda m, _: m.find(Where.VISIBLE, [(MAILBOX, "<1@evil.example>")]),
    "find in Recoverable Items": lambda m, _: m.find(Where.DELETIONS, [(MAILBOX, "<1@evil.example>")]),
    "get": lambda m, _: m.get([(MAILBOX, "none")]),
    "folder paths": lambda m, _: m.folder_paths([(MAILBOX, "inbox")]),
    "quarantine folders": lambda m, _: m.quarantine_folders([MAILBOX]),
    "move": lambda m, _: m.move([(MAILBOX, "none", "inbox")]),
    "set marks": lambda m, _: m.set_marks([(MAILBOX, ITEM)]),
    "inboxes": lambda m, _: m.inboxes([MAILBOX]),
    "sent descendants": lambda m, _: m.sent_descendants([(MAILBOX, "<1@evil.example>")]),
    "forwarding rules": lambda m, _: m.forwarding_rules([MAILBOX]),
    "resolve": lambda _, d: d.resolve(["nobody@contoso.example"]),
    "members": lambda _, d: d.members(["none"]),
    "transitive members": lambda _, d: d.transitive_members(["none"]),
    "mailbox kinds": lambda _, d: d.mailbox_kinds([MAILBOX]),
    "mailbox count": lambda _, d: d.mailbox_count(),
    "trace": lambda _, d: d.trace(internet_message_id="<1@evil.example>", since=SINCE, until=UNTIL),
}


def spelt(call: str) -> str:
    """A call as the local Graph counts it: `GET /users/{id}/mailfolders/{id}`."""
    method, path = call.split(" ", 1)
    path = path.lower()
    for written, counted in _SPELLINGS.items():
        path = path.replace(written, counted)
    return f"{method} {path}"


async def made(name: str, roles: tuple[str, ...]) -> tuple[set[str], object]:
    """What one method of an adapter asked of Graph, and its answer."""
    async with local_graph(default_tenant(), App(roles=roles)) as (gateway, graph):
        answer = await CALLS[name](GraphMailboxes(gateway, "Clawback Quarantine"), GraphDirectory(gateway))
        return {spelt(call) for call in graph.report()["byOperation"] if "$batch" not in call}, answer


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_granted_suffices(name: str) -> None:
    calls, answer = await made(name, tuple(GRANTS))
    listed = {spelt(call) for grant in GRANTS.values() for call in grant["calls"]}
    assert calls <= listed, f"no grant of infra/bicep/graph is for this call of `{name}`"
    refused = [a for a in answer if isinstance(a, Refusal) and a.status == 403] if isinstance(answer, list) else []
    assert refused == [], f"`{name}` is denied with what infra/bicep/graph grants"


async def test_nothing_is_granted_that_no_call_needs() -> None:
    done = set[str]()
    for name in CALLS:
        done |= {
            call.replace("/transitivemembers/{id}", "/transitivemembers")
            for call in (await made(name, tuple(GRANTS)))[0]
        }
    for grant, told in GRANTS.items():
        for call in told["calls"]:
            assert spelt(call) in done, f"{grant}: nobody makes the call {call}"


def test_no_call_deletes_anything() -> None:
    # That no other call is made: test_what_is_granted_suffices.
    calls = [call for told in GRANTS.values() for call in told["calls"]]
    assert [call for call in calls if call.startswith("DELETE") or "delete" in call.lower()] == []


@pytest.mark.parametrize("grant", GRANTS)
def test_each_call_is_one_that_its_grant_opens(grant: str) -> None:
    for call in GRANTS[grant]["calls"]:
        method, path = call.split(" ", 1)
        assert grant in table()[path.lower()][method], f"{grant} does not open {call}"


@pytest.mark.parametrize("grant", GRANTS)
async def test_without_a_grant_the_call_that_needs_it_is_denied(grant: str) -> None:
    denied = []
    for name in CALLS:
        try:
            _, answer = await made(name, tuple(g for g in GRANTS if g != grant))
        except (DeniedError, UnavailableError) as error:
            denied.append(f"{name}: {error}")
            continue
        if isinstance(answer, dict) and any(isinstance(a, Refusal) and a.status == 403 for a in answer.values()):
            denied.append(name)
    assert denied, f"nothing misses {grant}"

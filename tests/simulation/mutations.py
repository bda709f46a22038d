"""Bugs that are planted on purpose: the simulation has to find each of them (tests/simulation/test_mutations.py).

Each one is a function with one line that says what is wrong. It replaces something that is in production, or what a
store does for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from functions.ingest_alert import joining
from functions.quarantine import engine, pull, restore
from functions.quarantine.models import Deps, UnitOfWork
from functions.report import audit_events
from functions.report import handler as report
from shared.domain.exposure import Counts
from shared.domain.identity import Identity, Judgement
from shared.domain.ids import derive, fresh
from shared.domain.incident import Lease
from shared.domain.target import Chunk, Target
from shared.ports.answers import Refusal, RefusalKind
from tests.fakes.incidents import FakeIncidents
from tests.fakes.queue import FakeQueue
from tests.fakes.targets import FakeTargets

Mutation = Callable[[pytest.MonkeyPatch], None]


def a_mail_of_another_sender_is_pulled(patch: pytest.MonkeyPatch) -> None:
    """Whatever has the Message-ID is taken for the mail."""

    async def judge(asked: Sequence[object], _mailboxes: object) -> list[Judgement]:
        return [Judgement(Identity.SAME)] * len(asked)

    patch.setattr(pull, "judge", judge)


def the_lease_of_a_chunk_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """Two workers move the copies of one chunk, in both directions, and neither knows of the other."""
    patch.setattr(engine, "_taken_care_of", lambda *_, **__: None)


def nothing_is_written_ahead(patch: pytest.MonkeyPatch) -> None:
    """The commit before the moves has the lease, and not what undo needs."""
    commit = FakeTargets.commit

    async def only_the_lease(self: FakeTargets, chunk: Chunk, etag: str, changed: Sequence[Target]) -> Any:
        return await commit(self, chunk, etag, [] if chunk.lease_until else changed)

    patch.setattr(FakeTargets, "commit", only_the_lease)


def undo_puts_everything_into_the_inbox(patch: pytest.MonkeyPatch) -> None:
    """As if each folder that a mail came from were gone."""

    class NoFolders:
        def __init__(self, mailboxes: Any) -> None:
            self._mailboxes = mailboxes

        def __getattr__(self, name: str) -> Any:
            return getattr(self._mailboxes, name)

        async def folder_paths(self, keys: Sequence[Any]) -> dict[Any, Refusal]:
            return dict.fromkeys(keys, Refusal(RefusalKind.NOT_FOUND, "ErrorItemNotFound", 404))

    async def survey(work: UnitOfWork, deps: Deps) -> None:
        await restore.survey(work, replace(deps, mailboxes=NoFolders(deps.mailboxes)))  # type: ignore[arg-type]  # all that is asked here

    patch.setattr(engine, "survey", survey)


def events_are_taken_for_recorded(patch: pytest.MonkeyPatch) -> None:
    """A document with several audit events is marked as recorded after the first of them."""
    patch.setattr(report, "of_document", lambda document: audit_events.of_document(document)[:1])


def a_target_is_counted_twice(patch: pytest.MonkeyPatch) -> None:
    """The sums of a case have each end of a target twice."""
    once = Counts.with_all
    patch.setattr(Counts, "with_all", lambda self, ended, **to: once(once(self, ended, **to), ended, **to))


def copies_that_were_moved_before_a_crash_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The next worker begins anew, with what it finds outside of the hidden folder."""
    patch.setattr(pull, "seen_again", lambda target, *_: target.model_copy(update={"copies": ()}))


def the_lease_of_a_dead_worker_stays(patch: pytest.MonkeyPatch) -> None:
    """The sweep does not see leases on cases that have ended."""

    async def none(*_: object) -> list[Lease]:
        return []

    patch.setattr(FakeIncidents, "expired_leases", none)


def the_case_of_an_alert_is_not_remembered(patch: pytest.MonkeyPatch) -> None:
    """An alert that is delivered again goes to the case that its mail has by then."""

    def forgetful(*parts: str) -> str:
        return derive(*parts, fresh("forgotten")) if parts[:2] == ("msg", "alert") else derive(*parts)

    patch.setattr(joining, "derive", forgetful)

    async def nowhere(*_: object) -> None:
        return None

    patch.setattr(joining, "_joined_before", nowhere)


def what_is_left_is_not_tried_again(patch: pytest.MonkeyPatch) -> None:
    """The delayed copy of a message is not sent."""

    async def nothing(*_: object, **__: object) -> None:
        return None

    patch.setattr(FakeQueue, "send_copy", nothing)


MUTATIONS: tuple[Mutation, ...] = (
    a_mail_of_another_sender_is_pulled,
    the_lease_of_a_chunk_is_ignored,
    nothing_is_written_ahead,
    undo_puts_everything_into_the_inbox,
    events_are_taken_for_recorded,
    a_target_is_counted_twice,
    copies_that_were_moved_before_a_crash_are_forgotten,
    the_lease_of_a_dead_worker_stays,
    the_case_of_an_alert_is_not_remembered,
    what_is_left_is_not_tried_again,
)

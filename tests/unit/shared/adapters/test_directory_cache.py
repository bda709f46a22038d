from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.adapters import directory_cache
from shared.adapters.directory_cache import MAX_AGE, CachedDirectory
from shared.domain.ids import MailboxId
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.ports.answers import Answer, Refusal, RefusalKind
from tests.fakes.clock import FakeClock
from tests.fakes.directory import FakeDirectory

ANN = Recipient(RecipientKind.USER, "ann@contoso.example", "ann")


def directories() -> tuple[CachedDirectory, FakeDirectory, FakeClock]:
    clock, inner = FakeClock(), FakeDirectory()
    inner.people["ann@contoso.example"] = ANN
    return CachedDirectory(inner, clock), inner, clock


async def test_the_same_people_are_asked_for_once_until_the_answer_is_too_old() -> None:
    cached, inner, clock = directories()
    for _ in range(3):
        assert await cached.resolve(["ann@contoso.example"]) == {"ann@contoso.example": ANN}
    assert inner.asked == ["ann@contoso.example"]
    clock.advance(MAX_AGE.total_seconds())
    await cached.resolve(["ann@contoso.example"])
    assert len(inner.asked) == 2


async def test_only_what_is_not_kept_is_asked_for() -> None:
    cached, inner, _ = directories()
    inner.people["bob@contoso.example"] = bob = Recipient(RecipientKind.USER, "bob@contoso.example", "bob")
    await cached.resolve(["ann@contoso.example"])
    found = await cached.resolve(["ann@contoso.example", "bob@contoso.example"])
    assert found == {"ann@contoso.example": ANN, "bob@contoso.example": bob}
    assert inner.asked == ["ann@contoso.example", "bob@contoso.example"]


async def test_refusals_and_unknown_addresses_are_not_kept() -> None:
    cached, inner, _ = directories()
    inner.refusals["ann@contoso.example"] = [Refusal(RefusalKind.THROTTLED, "TooManyRequests", 429)]
    first = await cached.resolve(["ann@contoso.example", "new@contoso.example"])
    assert isinstance(first["ann@contoso.example"], Refusal)
    inner.people["new@contoso.example"] = new = Recipient(RecipientKind.USER, "new@contoso.example", "new")
    assert await cached.resolve(["ann@contoso.example", "new@contoso.example"]) == {
        "ann@contoso.example": ANN,
        "new@contoso.example": new,
    }


async def test_members_mailbox_kinds_and_the_number_of_mailboxes_are_kept_too() -> None:
    cached, inner, clock = directories()
    inner.groups["sales"] = [ANN]
    assert await cached.members(["sales"]) == {"sales": (ANN,)}
    inner.groups["sales"] = []
    assert await cached.members(["sales"]) == {"sales": (ANN,)}
    assert await cached.mailbox_kinds([MailboxId("ann")]) == {"ann": MailboxKind.USER}
    inner.kinds["ann"] = MailboxKind.SHARED
    assert await cached.mailbox_kinds([MailboxId("ann")]) == {"ann": MailboxKind.USER}
    assert await cached.mailbox_count() == 1
    inner.people.clear()
    assert await cached.mailbox_count() == 1
    clock.advance((MAX_AGE + timedelta(seconds=1)).total_seconds())
    assert await cached.mailbox_count() == 0


async def test_large_groups_are_kept_only_as_far_as_memory_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_cache, "_MAX_KEPT", 10)
    cached, inner, _ = directories()
    asked: list[str] = []

    async def members(groups: Sequence[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        asked.extend(groups)
        return await FakeDirectory.members(inner, groups)

    monkeypatch.setattr(inner, "members", members)
    for name, size in (("first", 6), ("second", 6), ("third", 1)):
        inner.groups[name] = [ANN] * size
        await cached.members([name])
    await cached.members(["second", "third"])
    assert asked == ["first", "second", "third"]
    # Six and six are more than ten.
    await cached.members(["first"])
    assert asked[3:] == ["first"]
    # It is larger than all that is kept: it is told, and not kept.
    inner.groups["huge"] = [ANN] * 11
    assert len((await cached.members(["huge"]))["huge"]) == 11  # type: ignore[arg-type]  # no refusal
    await cached.members(["huge"])
    assert asked[4:] == ["huge", "huge"]

"""Whom the policy names as privileged or protected, asked of the directory and kept for some minutes."""

from asyncio import Lock
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.domain.incident import GROUP_UNREADABLE
from shared.policy import Policy
from shared.ports.answers import Refusal, ask, raise_for_refusals
from shared.ports.directory import Directory

# Long enough that a burst of alerts asks once; short enough that a new executive is not missed for long.
MAX_AGE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NamedPeople:
    """Ids of the people that the policy names, directly or by a group."""

    privileged: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    """Names of the policy that no object of the directory has, and groups whose members we may not read."""


class PolicyPeople:
    """The people that the policy names, cached in this process for `MAX_AGE`.

    Args:
        policy: the policy.
        directory: who is asked.
        now: the clock.
    """

    def __init__(self, policy: Policy, directory: Directory, now: Clock) -> None:
        self._policy = policy
        self._directory = directory
        self._now = now
        self._lock = Lock()
        self._kept: NamedPeople | None = None
        self._asked_at: datetime | None = None

    async def read(self) -> NamedPeople:
        """The people; asked again once they are too old. Whoever comes meanwhile waits for that one answer.

        Raises:
            UnavailableError, DeniedError: the directory does not answer now, and what is kept is too old. Nothing is
                decided without it: whom a policy protects must not be guessed.
        """
        async with self._lock:
            now = self._now()
            if self._kept is None or self._asked_at is None or now - self._asked_at >= MAX_AGE:
                self._kept = await named_people(self._policy, self._directory)
                self._asked_at = now
            return self._kept


async def named_people(policy: Policy, directory: Directory) -> NamedPeople:
    """Ask the directory for everybody whom the policy names.

    Raises:
        UnavailableError, DeniedError: the directory does not answer now.
    """
    groups = [*policy.privileged.groups, *policy.protected.groups]
    names = list(dict.fromkeys([*groups, *policy.protected.people]))
    resolved = await ask(directory.resolve, [name for name in names if "@" in name])
    raise_for_refusals("resolve policy", resolved.values())
    ids = {name: name for name in names if "@" not in name}
    for address, recipient in resolved.items():
        if not isinstance(recipient, Refusal) and recipient.id is not None:
            ids[address] = recipient.id
    members = await ask(directory.transitive_members, sorted({ids[name] for name in groups if name in ids}))
    raise_for_refusals("members of policy", members.values())
    notes = {"policy_names_nobody"} if len(ids) < len(names) else set()

    def members_of(group_names: Iterable[str]) -> frozenset[str]:
        people: set[str] = set()
        for name in group_names:
            found = members[ids[name]] if name in ids else ()
            if isinstance(found, Refusal):
                notes.add(GROUP_UNREADABLE)
            else:
                people.update(found)
        return frozenset(people)

    privileged, protected = members_of(policy.privileged.groups), members_of(policy.protected.groups)
    protected |= {ids[name] for name in policy.protected.people if name in ids}
    return NamedPeople(privileged, protected, tuple(sorted(notes)))

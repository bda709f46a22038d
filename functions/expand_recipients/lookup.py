"""Directory questions of one plan: each is asked once, and as many as possible together."""

from collections.abc import Iterable

from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals
from shared.ports.directory import Directory, Recipient, RecipientKind


class Lookup:
    """What the directory told so far.

    Args:
        directory: the directory.
        known: recipients that the enrich stage has already resolved, by address.
    """

    def __init__(self, directory: Directory, known: dict[str, Recipient]) -> None:
        self._directory = directory
        self._people = dict(known)
        self._members: dict[str, Answer[tuple[Recipient, ...]]] = {}

    async def people(self, addresses: Iterable[str]) -> dict[str, Recipient]:
        """Who is behind the addresses, by address; more than were asked for may be told.

        Raises:
            UnavailableError, DeniedError: the directory cannot tell now.
        """
        new = sorted(set(addresses) - self._people.keys())
        answers = await ask(self._directory.resolve, new)
        raise_for_refusals("resolve", answers.values())
        for address, answer in answers.items():
            # A permanent refusal: the directory takes this for no address at all.
            unknown = Recipient(RecipientKind.UNKNOWN, address)
            self._people[address] = unknown if isinstance(answer, Refusal) else answer
            self._learn(self._people[address])
        return self._people

    async def members(self, groups: Iterable[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        """Direct members by group id. Refusals that waiting cannot better are given as they are.

        Raises:
            UnavailableError: the directory cannot tell now.
        """
        new = sorted(set(groups) - self._members.keys())
        answers = await ask(self._directory.members, new)
        raise_for_refusals(
            "members", [a for a in answers.values() if not (isinstance(a, Refusal) and a.kind is RefusalKind.DENIED)]
        )
        for group, answer in answers.items():
            self._members[group] = answer
            for member in () if isinstance(answer, Refusal) else answer:
                self._learn(member)
        return self._members

    def _learn(self, recipient: Recipient) -> None:
        # The trace names group members one by one: whose addresses are known is not asked for again.
        for address in (recipient.address, *recipient.addresses):
            if address:
                self._people.setdefault(address, recipient)

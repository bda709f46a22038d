"""Directory lookups of one search: each is made once, and as many as possible together."""

from collections.abc import Iterable

from shared.domain.enrichment import Enrichment
from shared.domain.recipient import Recipient, RecipientKind
from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals
from shared.ports.directory import Directory


class Lookup:
    """What the directory has answered so far, with the marks of the policy.

    Args:
        directory: the directory.
        enrichment: recipients that are looked up already, and the people whom the policy names.
    """

    def __init__(self, directory: Directory, enrichment: Enrichment) -> None:
        self._directory = directory
        self._privileged = frozenset(enrichment.privileged)
        self._protected = frozenset(enrichment.protected)
        self._recipients = {recipient.address: recipient for recipient in enrichment.recipients}
        self._members: dict[str, Answer[tuple[Recipient, ...]]] = {}

    async def recipients(self, addresses: Iterable[str]) -> dict[str, Recipient]:
        """The recipients with these addresses, by address; there may be more than were asked for.

        Raises:
            UnavailableError, DeniedError: the directory does not answer now.
        """
        answers = await ask(self._directory.resolve, sorted(set(addresses) - self._recipients.keys()))
        raise_for_refusals("resolve", answers.values())
        for address, answer in answers.items():
            # A permanent refusal: for the directory this is no address at all.
            unknown = Recipient(RecipientKind.UNKNOWN, address)
            self._recipients[address] = self._learn(unknown if isinstance(answer, Refusal) else answer)
        return self._recipients

    async def members(self, groups: Iterable[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        """Direct members by group id. Refusals that waiting cannot better are given as they are.

        Raises:
            UnavailableError: the directory does not answer now.
        """
        answers = await ask(self._directory.members, sorted(set(groups) - self._members.keys()))
        final = (a for a in answers.values() if not (isinstance(a, Refusal) and a.kind is RefusalKind.DENIED))
        raise_for_refusals("members", final)
        for group, answer in answers.items():
            self._members[group] = answer if isinstance(answer, Refusal) else tuple(map(self._learn, answer))
        return self._members

    def _learn(self, recipient: Recipient) -> Recipient:
        """The recipient with its marks. Message trace names group members one by one: they are not looked up again."""
        marked = recipient.marked(self._privileged, self._protected)
        for address in (marked.address, *marked.addresses):
            if address:
                self._recipients.setdefault(address, marked)
        return marked

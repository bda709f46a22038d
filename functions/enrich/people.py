"""Who is behind the alert's addresses: asked of the directory in as few calls as it takes."""

from collections.abc import Sequence

from shared.domain.ids import MailboxId
from shared.domain.message import visible
from shared.enrichment import Person
from shared.policy import Policy
from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals
from shared.ports.directory import Directory, MailboxKind, Recipient, RecipientKind

_NO_MAILBOX = {RefusalKind.ON_PREMISES, RefusalKind.MAILBOX_MISSING}


async def special(policy: Policy, directory: Directory) -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
    """Ids of the privileged and of the protected people that the policy names, and what it names in vain.

    Raises:
        UnavailableError, DeniedError: the directory cannot tell now. Nothing is decided without: whom a policy
            protects is not to be guessed.
    """
    named = dict.fromkeys([*policy.privileged.groups, *policy.protected.groups, *policy.protected.people])
    addresses = [name for name in named if "@" in name]
    answers = await ask(directory.resolve, addresses)
    raise_for_refusals("resolve policy", answers.values())
    ids = {name: name for name in named if "@" not in name}
    notes: list[str] = []
    for name, answer in answers.items():
        if isinstance(answer, Refusal) or answer.id is None:
            notes.append("policy_names_nobody")
        else:
            ids[name] = answer.id
    groups = list(dict.fromkeys(ids[n] for n in [*policy.privileged.groups, *policy.protected.groups] if n in ids))
    by_group = await ask(directory.transitive_members, groups)
    raise_for_refusals("members of policy", by_group.values())

    def people_of(names: Sequence[str]) -> frozenset[str]:
        people: set[str] = set()
        for name in names:
            found = by_group.get(ids.get(name, ""), ())
            if isinstance(found, Refusal):
                notes.append("policy_group_unreadable")
            else:
                people.update(found)
        return frozenset(people)

    protected = people_of(policy.protected.groups) | {ids[name] for name in policy.protected.people if name in ids}
    return people_of(policy.privileged.groups), protected, tuple(sorted(set(notes)))


async def recipients(
    addresses: Sequence[str], privileged: frozenset[str], protected: frozenset[str], directory: Directory
) -> tuple[Person, ...]:
    """One person for each address, in that order.

    Raises:
        UnavailableError, DeniedError: as `special`.
    """
    resolved = await ask(directory.resolve, addresses)
    raise_for_refusals("resolve recipients", resolved.values())
    users = dict.fromkeys(
        MailboxId(answer.id)
        for answer in resolved.values()
        if not isinstance(answer, Refusal) and answer.kind is RecipientKind.USER and answer.id is not None
    )
    kinds = await ask(directory.mailbox_kinds, list(users))
    return tuple(_person(address, resolved[address], kinds, privileged, protected) for address in addresses)


def _person(
    address: str,
    answer: Answer[Recipient],
    kinds: dict[MailboxId, Answer[MailboxKind]],
    privileged: frozenset[str],
    protected: frozenset[str],
) -> Person:
    if isinstance(answer, Refusal):
        # Permanent: the directory takes this for no address at all. The sender or the source wrote it.
        return Person(address=address, kind=RecipientKind.UNKNOWN, code=answer.code)
    kind = kinds.get(MailboxId(answer.id or ""))
    # Any other refusal says nothing about the mailbox; the pull will meet it again and tell.
    missing = kind if isinstance(kind, Refusal) and kind.kind in _NO_MAILBOX else None
    return Person(
        address=address,
        kind=answer.kind,
        id=answer.id,
        name=visible(answer.name),
        department=visible(answer.department),
        job_title=visible(answer.job_title),
        addresses=answer.addresses,
        hidden_membership=answer.hidden_membership,
        mailbox=None if isinstance(kind, Refusal) else kind,
        no_mailbox=missing.kind if missing else None,
        code=missing.code if missing else None,
        privileged=answer.id in privileged,
        protected=answer.id in protected,
    )

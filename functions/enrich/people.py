"""Who the alert's recipients are: asked of the directory in as few requests as it takes."""

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.ids import MailboxId
from shared.domain.recipient import MailboxKind, NoMailbox, Recipient, RecipientKind
from shared.policy.people import NamedPeople
from shared.ports.answers import Answer, Refusal, RefusalKind, ask, raise_for_refusals
from shared.ports.directory import Directory

_NO_MAILBOX = {
    RefusalKind.ON_PREMISES: NoMailbox.ON_PREMISES,
    RefusalKind.MAILBOX_MISSING: NoMailbox.MAILBOX_MISSING,
}


async def recipients(addresses: Sequence[str], named: NamedPeople, directory: Directory) -> tuple[Recipient, ...]:
    """One recipient for each address, in that order, with the marks of the policy and the kind of its mailbox.

    Raises:
        UnavailableError, DeniedError: the directory does not answer now.
    """
    resolved = await ask(directory.resolve, addresses)
    raise_for_refusals("resolve recipients", resolved.values())
    found = [_recipient(address, resolved[address]) for address in addresses]
    mailboxes = dict.fromkeys(MailboxId(recipient.mailbox_id) for recipient in found if recipient.mailbox_id)
    kinds = await ask(directory.mailbox_kinds, list(mailboxes))
    return tuple(_with_mailbox(recipient, kinds).marked(named.privileged, named.protected) for recipient in found)


def _recipient(address: str, answer: Answer[Recipient]) -> Recipient:
    if isinstance(answer, Refusal):
        # Permanent: for the directory this is no address at all. The sender or the source wrote it.
        return Recipient(RecipientKind.UNKNOWN, address, code=answer.code)
    # Under the address that was asked for, which need not be the primary one.
    return replace(answer, address=address)


def _with_mailbox(recipient: Recipient, kinds: dict[MailboxId, Answer[MailboxKind]]) -> Recipient:
    kind = kinds.get(MailboxId(recipient.mailbox_id or ""))
    if not isinstance(kind, Refusal):
        return replace(recipient, mailbox=kind)
    if kind.kind not in _NO_MAILBOX:
        # Any other refusal says nothing about the mailbox; the pull meets it again and records it.
        return recipient
    return replace(recipient, no_mailbox=_NO_MAILBOX[kind.kind], code=kind.code)

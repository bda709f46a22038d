"""Whether items are the mail that was named, with one more question to the mailbox where From leaves it open."""

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.identity import Identity, Judgement, Traits, compare
from shared.domain.ids import MailboxId
from shared.ports.answers import Answer, Refusal
from shared.ports.mailboxes import Item, Mailboxes


async def judge(pairs: Sequence[tuple[MailboxId, Traits, Item]], mailboxes: Mailboxes) -> list[Answer[Judgement]]:
    """A judgement for each pair of what was named and the item of this mailbox that has its Message-ID.

    Where the alert names the NetworkMessageId and From does not make the item the same mail, the mailbox is asked
    for the item's; a refusal of that question is the answer then.
    """
    judgements = [compare(named, item.traits) for _, named, item in pairs]
    asked = [
        (mailbox, item.id)
        for (mailbox, named, item), judgement in zip(pairs, judgements, strict=True)
        if named.network_message_id and judgement.identity is not Identity.SAME
    ]
    answers = await mailboxes.network_message_ids(asked) if asked else {}

    def final(mailbox: MailboxId, named: Traits, item: Item, judgement: Judgement) -> Answer[Judgement]:
        answer = answers.get((mailbox, item.id))
        if isinstance(answer, Refusal):
            return answer
        return compare(named, replace(item.traits, network_message_id=answer)) if answer else judgement

    return [final(*pair, judgement) for pair, judgement in zip(pairs, judgements, strict=True)]

"""`Directory` over Graph."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from shared.adapters.graph.documents import Document, id_of, moment, read, read_each
from shared.adapters.graph.gateway import EVENTUAL, GraphGateway, Request
from shared.adapters.graph.odata import literal, query, segment
from shared.domain.ids import MailboxId
from shared.domain.mail_address import other_spellings
from shared.domain.message import address as smtp_address
from shared.domain.message import visible
from shared.domain.recipient import MailboxKind, Recipient, RecipientKind
from shared.errors import DeniedError, UnavailableError
from shared.ports.answers import Answer, Refusal
from shared.ports.directory import TraceRow

_USER = "id,displayName,mail,userPrincipalName,userType,department,jobTitle,proxyAddresses"
_GROUP = "id,displayName,mail,proxyAddresses,visibility"
_CONTACT = "id,displayName,mail,proxyAddresses,department,jobTitle"
_MEMBER = f"{_USER},visibility"

# In the order in which an address is looked for; most are users'.
_PLACES = (("/users", _USER), ("/groups", _GROUP), ("/contacts", _CONTACT))

_KINDS = {
    "#microsoft.graph.user": RecipientKind.USER,
    "#microsoft.graph.group": RecipientKind.GROUP,
    "#microsoft.graph.orgContact": RecipientKind.CONTACT,
}

# Graph's largest pages (graph.md 2.7, 6).
_TRACE_PAGE = 5000
_MEMBER_PAGE = 999
# An address has one holder; a page below 20 costs a resource unit less (graph.md 7.1).
_FEW = 5

_PURPOSES = {
    "user": MailboxKind.USER,
    "shared": MailboxKind.SHARED,
    "room": MailboxKind.ROOM,
    "equipment": MailboxKind.EQUIPMENT,
}


class GraphDirectory:
    """See `Directory`."""

    def __init__(self, gateway: GraphGateway) -> None:
        self._gateway = gateway

    async def resolve(self, addresses: Sequence[str]) -> dict[str, Answer[Recipient]]:
        """See `Directory.resolve`."""
        found = await self._exact(addresses)
        # Only where the address as it stands is nobody's: a plus may belong to an address.
        others = {a: other_spellings(a) for a, answer in found.items() if _unknown(answer)}
        answers = await self._exact(sorted({spelling for spellings in others.values() for spelling in spellings}))
        for address, spellings in others.items():
            known = (answers[spelling] for spelling in spellings if not _unknown(answers[spelling]))
            found[address] = next(known, found[address])
        return found

    async def _exact(self, addresses: Sequence[str]) -> dict[str, Answer[Recipient]]:
        """The holders of these addresses as they stand."""
        found: dict[str, Answer[Recipient]] = {}
        for path, select in _PLACES:
            answers = await self._gateway.send(
                {address: _by_address(path, select, address) for address in addresses if address not in found}
            )
            for address, answer in answers.items():
                holder = read(answer, partial(_holder, path=path, address=address))
                if holder is not None:
                    found[address] = holder
        return {address: found.get(address, Recipient(RecipientKind.UNKNOWN, address)) for address in addresses}

    async def members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[Recipient, ...]]]:
        """See `Directory.members`."""
        options = query(select=_MEMBER, top=_MEMBER_PAGE)
        answers = await self._gateway.collect(
            {group: Request(f"/groups/{segment(group)}/members{options}") for group in group_ids}
        )
        return read_each(answers, _members)

    async def transitive_members(self, group_ids: Sequence[str]) -> dict[str, Answer[tuple[str, ...]]]:
        """See `Directory.transitive_members`."""
        options = query(select="id", top=_MEMBER_PAGE, count="true")
        answers = await self._gateway.collect(
            {
                group: Request(
                    f"/groups/{segment(group)}/transitiveMembers/microsoft.graph.user{options}", headers=EVENTUAL
                )
                for group in group_ids
            }
        )
        return read_each(answers, lambda rows: tuple(map(id_of, rows)))

    async def mailbox_kinds(self, mailboxes: Sequence[MailboxId]) -> dict[MailboxId, Answer[MailboxKind]]:
        """See `Directory.mailbox_kinds`."""
        options = query(select="userPurpose")
        answers = await self._gateway.send(
            {m: Request(f"/users/{segment(m)}/mailboxSettings{options}", mailbox=m) for m in mailboxes}
        )
        return read_each(answers, lambda raw: _PURPOSES.get(str(raw["userPurpose"]), MailboxKind.OTHER))

    async def mailbox_count(self) -> int:
        """See `Directory.mailbox_count`."""
        # Guests have no mailbox here; whether somebody else has none (unlicensed accounts) would cost a request each.
        options = query(filter="userType eq 'Member'", select="id", top=1, count="true")
        answers = await self._gateway.send({"users": Request(f"/users{options}", headers=EVENTUAL)})
        count = read(answers["users"], lambda raw: int(raw["@odata.count"]))
        if isinstance(count, Refusal):
            raise UnavailableError(f"count users: {count.code}", count.retry_after)
        return count

    async def trace(
        self,
        *,
        internet_message_id: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        since: datetime,
        until: datetime,
    ) -> tuple[TraceRow, ...]:
        """See `Directory.trace`."""
        given = {"messageId": internet_message_id, "senderAddress": sender, "recipientAddress": recipient}
        conditions = [f"{name} eq {literal(value)}" for name, value in given.items() if value is not None]
        conditions += [f"receivedDateTime ge {_time(since)}", f"receivedDateTime le {_time(until)}"]
        path = f"/admin/exchange/tracing/messageTraces{query(filter=' and '.join(conditions), top=_TRACE_PAGE)}"
        answers = await self._gateway.collect({"trace": Request(path)})
        rows = read(answers["trace"], lambda raw: tuple(map(_row, raw)))
        if not isinstance(rows, Refusal):
            return rows
        if rows.kind.retryable:
            raise UnavailableError(f"message trace: {rows.code}", rows.retry_after)
        raise DeniedError(f"message trace: {rows.code}")


def _by_address(path: str, select: str, address: str) -> Request:
    # Both spellings: whether `eq` heeds case here is not documented (graph.md 6).
    either = " or ".join(f"proxyAddresses/any(p:p eq {literal(f'{scheme}:{address}')})" for scheme in ("smtp", "SMTP"))
    options = query(filter=either, select=select, count="true", top=_FEW)
    return Request(path + options, headers=EVENTUAL)


def _holder(answer: Document, path: str, address: str) -> Recipient | None:
    """The object that has this address, compared again on our side; None if none does."""
    kind = {"/users": RecipientKind.USER, "/groups": RecipientKind.GROUP, "/contacts": RecipientKind.CONTACT}[path]
    for raw in answer["value"]:
        recipient = _recipient(raw, kind)
        if address.lower() in recipient.addresses:
            return recipient
    return None


def _unknown(answer: Answer[Recipient]) -> bool:
    return not isinstance(answer, Refusal) and answer.kind is RecipientKind.UNKNOWN


def _members(rows: list[Document]) -> tuple[Recipient, ...]:
    # Devices and service principals get no mail.
    return tuple(_recipient(raw, _KINDS[kind]) for raw in rows if (kind := raw["@odata.type"]) in _KINDS)


def _recipient(raw: Document, kind: RecipientKind) -> Recipient:
    if kind is RecipientKind.USER and raw.get("userType") == "Guest":
        kind = RecipientKind.GUEST
    addresses = _addresses(raw)
    if not addresses and raw.get("displayName") is None:
        # What we may not read comes with its id only (graph.md 6).
        return Recipient(RecipientKind.UNKNOWN, "", id=id_of(raw))
    return Recipient(
        kind=kind,
        address=addresses[0] if addresses else "",
        id=id_of(raw),
        name=visible(raw.get("displayName")),
        department=visible(raw.get("department")),
        job_title=visible(raw.get("jobTitle")),
        addresses=addresses,
        hidden_membership=raw.get("visibility") == "HiddenMembership",
    )


def _addresses(raw: Document) -> tuple[str, ...]:
    """All SMTP addresses, primary first: its scheme is in capitals."""
    proxies = [proxy for proxy in raw.get("proxyAddresses") or () if proxy.lower().startswith("smtp:")]
    ordered = sorted(proxies, key=lambda proxy: not proxy.startswith("SMTP:"))
    found = [proxy[len("smtp:") :].lower() for proxy in ordered]
    if (mail := raw.get("mail")) and mail.lower() not in found:
        found.append(mail.lower())
    return tuple(dict.fromkeys(found))


def _row(raw: Document) -> TraceRow:
    return TraceRow(
        recipient=smtp_address(raw.get("recipientAddress")) or "",
        status=raw.get("status") or "",
        received_at=moment(raw.get("receivedDateTime")),
        internet_message_id=raw.get("messageId") or "",
        network_message_id=raw.get("id"),
        subject=visible(raw.get("subject")),
        sender=smtp_address(raw.get("senderAddress")),
    )


def _time(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

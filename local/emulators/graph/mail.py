"""Messages: find, read, move, mark, delete."""

from functools import lru_cache
from typing import Any

from local.emulators.graph import bodies, collection, extended
from local.emulators.graph.errors import GraphError, bad_request, invalid_filter, item_not_found, unsupported
from local.emulators.graph.filters import COUNT, Predicate, compile_filter, parse_orderby, sort
from local.emulators.graph.http import Call, Response
from local.emulators.graph.kinds import MESSAGE, NOT_BASIC
from local.emulators.graph.mailbox import Item, MailboxState
from local.emulators.graph.model import FlagStatus
from local.emulators.graph.odata import And, AnyOf, Compare, Expression, In, Not, Or, parse_filter, paths_of
from local.emulators.graph.odata import Call as Function

_FULL_READ = frozenset({"Mail.Read", "Mail.ReadWrite"})
_RECIPIENTS = frozenset({"torecipients", "ccrecipients", "bccrecipients", "replyto"})
"""Collections that Exchange cannot filter by (microsoft-graph-explorer-v4 issue 3957); in lower case."""
_NOT_BASIC = frozenset(name.lower() for name in NOT_BASIC)
_NEWEST_FIRST = (("receivedDateTime", True),)


def list_messages(call: Call) -> Response:
    """`GET /users/{id}/messages`: all visible folders, Deleted Items included (reference/graph.md 2.2)."""
    mailbox = call.tenant.mailbox(call.keys[0])
    hidden_too = call.tenant.hidden_in_messages

    def inside(item: Item) -> bool:
        return item.folder.visible or (hidden_too and not item.folder.dumpster)

    candidates = _candidates(call, mailbox)
    if candidates is None:
        candidates = mailbox.all_items()
    return _list(call, mailbox, [item for item in candidates if inside(item)])


def list_folder_messages(call: Call) -> Response:
    """`GET /users/{id}/mailFolders/{id}/messages`: one folder, whichever."""
    mailbox = call.tenant.mailbox(call.keys[0])
    folder = mailbox.folder(call.keys[1])
    candidates = _candidates(call, mailbox)
    if candidates is None:
        return _list(call, mailbox, list(folder.items.values()))
    return _list(call, mailbox, [item for item in candidates if item.folder is folder])


def _candidates(call: Call, mailbox: MailboxState) -> list[Item] | None:
    """Items that can fit the filter, by the index of Message-IDs; None if the filter does not ask for any."""
    text = call.options.get("$filter")
    wanted = None if text is None else _message_ids(parse_filter(text))
    if wanted is None:
        return None
    found = {item.immutable_id: item for one in wanted for item in mailbox.with_message_id(one)}
    return list(found.values())


def _message_ids(expression: Expression) -> list[str] | None:
    """Message-IDs, one of which every item that fits has; None if the filter does not ask for any."""
    match expression:
        case Compare(left="internetMessageId", op="eq", right=right) if isinstance(right.value, str) and right.quoted:
            return [right.value]
        case In(left="internetMessageId", values=values):
            return [str(one.value) for one in values]
        case And(parts=parts):
            return next((found for part in parts if (found := _message_ids(part)) is not None), None)
        case Or(parts=parts):
            each = [_message_ids(part) for part in parts]
            return None if None in each else [one for found in each for one in found or ()]
    return None


def _list(call: Call, mailbox: MailboxState, items: list[Item]) -> Response:
    text = call.options.get("$filter")
    order = _order(call)
    if text is not None:
        if not _NOT_BASIC.isdisjoint(path.partition("/")[0].lower() for path in paths_of(parse_filter(text))):
            _need_full_read(call)
        fits = _filter(text)
        items = [item for item in items if fits(item)]
    if len(items) > 1:
        items = sort(items, order or _NEWEST_FIRST, MESSAGE)
    render = _renderer(call)
    return collection.answer(call, items, collection.OUTLOOK, f"users('{mailbox.user_id}')/messages", render)


@lru_cache(maxsize=4096)
def _filter(text: str) -> Predicate:
    """The compiled filter; 400 for what is valid OData and Exchange refuses."""
    fits = compile_filter(text, MESSAGE)
    _refuse(parse_filter(text))
    return fits


def _refuse(expression: Expression) -> None:
    match expression:
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                _refuse(part)
        case Not(part=part):
            _refuse(part)
        case AnyOf(collection=path, condition=condition):
            if path.lower() in _RECIPIENTS:
                raise invalid_filter()
            _refuse(condition)
        case Function(name="endswith"):
            # msgraph-sdk-dotnet issue 2572, microsoft-graph-docs issue 4331.
            raise invalid_filter()
        case Compare(left=path) | In(left=path) if path.lower() == "id":
            # microsoft-graph-docs-contrib issue 6058.
            raise bad_request("The property 'Id' does not support filtering.", "ErrorInvalidProperty")
        case Compare(left=path) if path.lower().endswith(f"/{COUNT}"):
            unsupported("$count in a filter on messages")


def _order(call: Call) -> tuple[tuple[str, bool], ...]:
    """What to sort by. Its properties have to come first in the filter, in the same order (graph.md 2.3)."""
    text = call.options.get("$orderby")
    if text is None:
        return ()
    order = parse_orderby(text, MESSAGE)
    if filtered := call.options.get("$filter"):
        paths = tuple(dict.fromkeys(path.lower() for path in paths_of(parse_filter(filtered))))
        wanted = tuple(path.lower() for path, _ in order)
        if paths[: len(wanted)] != wanted:
            raise bad_request("The restriction or sort order is too complex for this operation.", "InefficientFilter")
    return order


def _need_full_read(call: Call) -> None:
    if not _FULL_READ.intersection(call.request.caller.roles):
        raise GraphError(403, "ErrorAccessDenied", "Access is denied. Bodies and extended properties need Mail.Read.")


def _renderer(call: Call) -> Any:
    """How to write an item, by `$select`, `$expand`, what the request prefers and the caller's permissions."""
    names = MESSAGE.names(call.options.get("$select"))
    if not _FULL_READ.intersection(call.request.caller.roles):
        names = tuple(name for name in names if name not in NOT_BASIC)
    expand = call.options.get("$expand")
    wanted: tuple[str, ...] = ()
    if expand is not None:
        _need_full_read(call)
        wanted = extended.parse_expand(expand)
    immutable = call.request.immutable_ids
    as_text = _prefers_text(call) and "body" in names

    def render(item: Item) -> dict[str, Any]:
        document = {"@odata.etag": f'W/"{item.change_key}"', **MESSAGE.render(item, names, immutable=immutable)}
        if as_text:
            document["body"] = bodies.text(item.message)
        if wanted and (found := extended.properties_of(item.message, wanted)):
            document[extended.PROPERTY] = found
        return document

    return render


def _prefers_text(call: Call) -> bool:
    """Whether bodies are wanted as text. Either wish is confirmed; any other word is ignored."""
    wanted = call.request.preferences.get(bodies.PREFERENCE, "").lower()
    if wanted in {bodies.TEXT, bodies.HTML}:
        call.applied.append(f'{bodies.PREFERENCE}="{wanted}"')
    return wanted == bodies.TEXT


def _locate(call: Call) -> tuple[MailboxState, Item]:
    """The mailbox and the item that the path names, with or without a folder in between."""
    mailbox = call.tenant.mailbox(call.keys[0])
    item = mailbox.item(call.keys[-1])
    if len(call.keys) > 2 and item.folder is not mailbox.folder(call.keys[1]):  # noqa: PLR2004 - user, folder, item
        raise item_not_found()
    return mailbox, item


def _one(call: Call, mailbox: MailboxState, item: Item, status: int = 200) -> Response:
    context = call.context(f"users('{mailbox.user_id}')/messages", single=True)
    return Response(status, {"@odata.context": context, **_renderer(call)(item)})


def get_message(call: Call) -> Response:
    """`GET …/messages/{id}`: by either id, in whichever folder it is."""
    return _one(call, *_locate(call))


def move_message(call: Call) -> Response:
    """`POST …/messages/{id}/move`: 201 and the item, which has a new id and the same immutable one."""
    mailbox, item = _locate(call)
    destination = call.parameter("destinationId")
    if not isinstance(destination, str):
        raise bad_request("The parameter 'destinationId' is a string.")
    mailbox.move(item, mailbox.folder(destination), call.tenant.now())
    return _one(call, mailbox, item, 201)


def _read_flag(value: Any) -> FlagStatus:
    if not isinstance(value, dict) or not isinstance(value.get("flagStatus"), str):
        raise bad_request("The property 'flag' is a followupFlag.")
    if left := {key for key, inner in value.items() if key != "flagStatus" and inner is not None}:
        unsupported(f"the flag's {sorted(left)}")
    try:
        return FlagStatus(value["flagStatus"])
    except ValueError:
        raise bad_request(f"'{value['flagStatus']}' is no followupFlagStatus.") from None


def _read_categories(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise bad_request("The property 'categories' is a collection of strings.")
    return tuple(value)


def update_message(call: Call) -> Response:
    """`PATCH …/messages/{id}`: read state, flag, categories; all changes or none."""
    mailbox, item = _locate(call)
    _check_match(call, item)
    is_read, flag, categories = item.is_read, item.flag, item.categories
    for name, value in call.body().items():
        match name:
            case "isRead":
                if not isinstance(value, bool):
                    raise bad_request("The property 'isRead' is a Boolean.")
                is_read = value
            case "flag":
                flag = _read_flag(value)
            case "categories":
                categories = _read_categories(value)
            case _ if name.startswith("@odata."):
                continue
            case _:
                MESSAGE.served(name)
                unsupported(f"changing a message's {name}")
    item.is_read, item.flag, item.categories = is_read, flag, categories
    item.touch(call.tenant.now())
    return _one(call, mailbox, item)


def _check_match(call: Call, item: Item) -> None:
    wanted = call.request.headers.get("if-match")
    if wanted is not None and wanted not in {"*", f'W/"{item.change_key}"'}:
        raise GraphError(412, "ErrorIrresolvableConflict", "The send or update operation could not be performed.")


def delete_message(call: Call) -> Response:
    """`DELETE …/messages/{id}`: to Deleted Items, and from there to Recoverable Items, Deletions.

    Microsoft does not say which of the two (reference/graph.md 3). Outlook does it so.
    """
    mailbox, item = _locate(call)
    _check_match(call, item)
    deleted = mailbox.folder("deleteditems")
    dumpster = mailbox.folder("recoverableitemsdeletions")
    mailbox.move(item, dumpster if item.folder is deleted else deleted, call.tenant.now())
    return Response(204)


def permanently_delete(call: Call) -> Response:
    """`POST …/messages/{id}/permanentDelete`: to Recoverable Items, Purges (documented at the action)."""
    mailbox, item = _locate(call)
    mailbox.move(item, mailbox.folder("recoverableitemspurges"), call.tenant.now())
    return Response(204)

"""Mail folders, inbox rules and mailbox settings."""

from typing import Any

from local.emulators.graph import collection
from local.emulators.graph.errors import bad_request, unsupported
from local.emulators.graph.filters import compile_filter
from local.emulators.graph.http import Call, Response
from local.emulators.graph.kinds import MAIL_FOLDER, recipient
from local.emulators.graph.mailbox import MailboxState, MailFolder
from local.emulators.graph.model import Address, InboxRule, MailboxKind

_PURPOSES = {MailboxKind.CLOUD: "user", MailboxKind.SHARED: "shared"}


def list_folders(call: Call) -> Response:
    """`GET /users/{id}/mailFolders`: the top of the visible tree; hidden ones with includeHiddenFolders."""
    mailbox = call.tenant.mailbox(call.keys[0])
    return _list(call, mailbox, mailbox.root)


def list_child_folders(call: Call) -> Response:
    """`GET …/mailFolders/{id}/childFolders`."""
    mailbox = call.tenant.mailbox(call.keys[0])
    return _list(call, mailbox, mailbox.folder(call.keys[1]))


def _list(call: Call, mailbox: MailboxState, parent: MailFolder) -> Response:
    hidden_too = call.flag("includehiddenfolders")
    # Recoverable Items are reached by name or id only: no listing of the root shows them.
    found = [
        child
        for child in parent.children
        if (hidden_too or not child.hidden) and (parent.dumpster or not child.dumpster)
    ]
    if text := call.options.get("$filter"):
        fits = compile_filter(text, MAIL_FOLDER)
        found = [folder for folder in found if fits(folder)]
    names = MAIL_FOLDER.names(call.options.get("$select"))
    return collection.answer(
        call,
        found,
        collection.OUTLOOK,
        f"users('{mailbox.user_id}')/mailFolders",
        lambda folder: MAIL_FOLDER.render(folder, names),
    )


def _one(call: Call, mailbox: MailboxState, folder: MailFolder, status: int = 200) -> Response:
    names = MAIL_FOLDER.names(call.options.get("$select"))
    context = call.context(f"users('{mailbox.user_id}')/mailFolders", single=True)
    return Response(status, {"@odata.context": context, **MAIL_FOLDER.render(folder, names)})


def get_folder(call: Call) -> Response:
    """`GET …/mailFolders/{id or well-known name}`."""
    mailbox = call.tenant.mailbox(call.keys[0])
    return _one(call, mailbox, mailbox.folder(call.keys[1]))


def create_folder(call: Call) -> Response:
    """`POST …/mailFolders` and `…/childFolders`: 201. `isHidden` can be set here and never again (graph.md 3.1)."""
    mailbox = call.tenant.mailbox(call.keys[0])
    parent = mailbox.folder(call.keys[1]) if len(call.keys) > 1 else mailbox.root
    name, hidden = None, False
    for key, value in call.body().items():
        match key:
            case "displayName":
                name = value
            case "isHidden":
                hidden = value
            case _ if not key.startswith("@odata."):
                MAIL_FOLDER.served(key)
                unsupported(f"creating a folder with {key}")
    if not isinstance(name, str) or not name.strip() or not isinstance(hidden, bool):
        raise bad_request("A folder needs a displayName; isHidden is a Boolean.", "ErrorInvalidRequest")
    if "/" in name:
        unsupported("a folder name with a slash: paths in the local tenant are made of names")
    if parent.dumpster:
        unsupported("folders below Recoverable Items")
    return _one(call, mailbox, mailbox.create_folder(parent, name, hidden=hidden), 201)


def list_rules(call: Call) -> Response:
    """`GET …/mailFolders/inbox/messageRules`; rules exist below the inbox only."""
    mailbox = call.tenant.mailbox(call.keys[0])
    if mailbox.folder(call.keys[1]).well_known != "inbox":
        raise bad_request("Message rules exist for the inbox only.", "ErrorInvalidRequest")
    rules = sorted(mailbox.rules, key=lambda rule: rule.sequence)
    # Graph gives all of them in one answer.
    everything = collection.Paging(max(len(rules), 1), max(len(rules), 1))
    of = f"users('{mailbox.user_id}')/mailFolders('inbox')/messageRules"
    numbered = list(enumerate(rules))
    return collection.answer(call, numbered, everything, of, lambda rule: _rule(mailbox, *rule))


def _rule(mailbox: MailboxState, number: int, rule: InboxRule) -> dict[str, Any]:
    def people(addresses: tuple[Address, ...]) -> list[dict[str, Any]]:
        return [recipient(address) for address in addresses]

    def folder(path: str | None) -> str | None:
        return None if path is None else mailbox.folder_at(path).id

    conditions = {
        "subjectContains": list(rule.subject_contains),
        "bodyContains": list(rule.body_contains),
        "senderContains": list(rule.sender_contains),
        "fromAddresses": people(rule.from_addresses),
    }
    actions = {
        "forwardTo": people(rule.forward_to),
        "forwardAsAttachmentTo": people(rule.forward_as_attachment_to),
        "redirectTo": people(rule.redirect_to),
        "moveToFolder": folder(rule.move_to_folder),
        "copyToFolder": folder(rule.copy_to_folder),
        "markAsRead": rule.mark_as_read,
        "delete": rule.delete,
        "permanentDelete": rule.permanent_delete,
        "stopProcessingRules": rule.stop_processing,
    }
    return {
        "id": rule.id or f"AQAAA{number:04}",
        "displayName": rule.display_name,
        "sequence": rule.sequence,
        "isEnabled": rule.enabled,
        "hasError": False,
        "isReadOnly": False,
        # Graph leaves out conditions and actions that a rule does not have.
        "conditions": {name: value for name, value in conditions.items() if value},
        "actions": {name: value for name, value in actions.items() if value},
    }


def get_settings(call: Call) -> Response:
    """`GET /users/{id}/mailboxSettings?$select=userPurpose`: no other setting is served."""
    mailbox = call.tenant.mailbox(call.keys[0])
    select = call.options.get("$select")
    if select is None or select.strip().lower() != "userpurpose":
        unsupported("mailboxSettings without $select=userPurpose")
    context = call.context(f"users('{mailbox.user_id}')/mailboxSettings")
    return Response(200, {"@odata.context": context, "userPurpose": _PURPOSES[mailbox.kind]})


def get_purpose(call: Call) -> Response:
    """`GET /users/{id}/mailboxSettings/userPurpose`: the value by itself."""
    mailbox = call.tenant.mailbox(call.keys[0])
    context = call.context(f"users('{mailbox.user_id}')/mailboxSettings/userPurpose")
    return Response(200, {"@odata.context": context, "value": _PURPOSES[mailbox.kind]})

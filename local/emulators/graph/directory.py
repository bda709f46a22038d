"""Users, groups, contacts and roles of Entra ID."""

from collections.abc import Iterable, Sequence
from typing import Any

from local.emulators.graph import collection
from local.emulators.graph.advanced import check_filter, check_order, need_advanced
from local.emulators.graph.entities import NAMESPACES
from local.emulators.graph.errors import bad_request, malformed_object_id, no_such_property, unsupported
from local.emulators.graph.filters import compile_filter, sort
from local.emulators.graph.http import Call, Response
from local.emulators.graph.kinds import CONTACT, GROUP, ROLE, USER, DirectoryObject, Kind, kind_of
from local.emulators.graph.model import Group
from local.emulators.graph.odata import And, AnyOf, Compare, Expression, In, Literal, Or, parse_filter
from local.emulators.graph.state import is_object_id

_CAST = "microsoft.graph."
_SETS = {USER: "users", GROUP: "groups", CONTACT: "contacts"}

_READERS: dict[Kind, frozenset[str]] = {
    USER: frozenset({"User.Read.All", "User.ReadBasic.All", "User.ReadWrite.All"}),
    GROUP: frozenset({"GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "GroupMember.ReadWrite.All"}),
    CONTACT: frozenset({"OrgContact.Read.All"}),
}
"""Permissions that show more of a member than its id, besides `Directory.*` (reference/graph.md 6)."""
_DIRECTORY_READERS = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
_HIDDEN_READERS = frozenset({"Member.Read.Hidden", "Directory.ReadWrite.All"})
_MAX_IDS = 1000
"""Ids in one getByIds (documented at the action)."""


def list_users(call: Call) -> Response:
    """`GET /users`."""
    return _list(call, USER, call.tenant.users.values())


def list_groups(call: Call) -> Response:
    """`GET /groups`."""
    return _list(call, GROUP, call.tenant.groups.values())


def list_contacts(call: Call) -> Response:
    """`GET /contacts`."""
    return _list(call, CONTACT, call.tenant.contacts.values())


def _list(call: Call, kind: Kind, everything: Iterable[DirectoryObject]) -> Response:
    order = check_order(call, kind)
    items = sort(_filtered(call, kind, everything), order, kind)
    return _page(call, items, _SETS[kind], kind)


def _page(call: Call, items: Sequence[Any], of: str, kind: Kind) -> Response:
    names = kind.names(call.options.get("$select"))
    return collection.answer(call, items, collection.DIRECTORY, of, lambda item: kind.render(item, names))


def _filtered(call: Call, kind: Kind, everything: Iterable[DirectoryObject]) -> list[DirectoryObject]:
    text = call.options.get("$filter")
    if text is None:
        return list(everything)
    fits = compile_filter(text, kind)
    expression = parse_filter(text)
    check_filter(call, expression, kind)
    addresses = _addresses(expression)
    if addresses is not None:
        found = {item.id: item for one in addresses for item in call.tenant.with_address(one)}
        everything = [item for item in found.values() if kind_of(item) is kind]
    return [item for item in everything if fits(item)]


def _addresses(expression: Expression) -> list[str] | None:
    """Proxy addresses, one of which every object that fits has; None if the filter does not ask for any."""
    match expression:
        case AnyOf(collection="proxyAddresses", condition=condition):
            return _equal_to(condition, expression.variable)
        case And(parts=parts):
            return next((found for part in parts if (found := _addresses(part)) is not None), None)
        case Or(parts=parts):
            each = [_addresses(part) for part in parts]
            return None if None in each else [one for found in each for one in found or ()]
    return None


def _equal_to(condition: Expression, variable: str) -> list[str] | None:
    match condition:
        case Compare(left=left, op="eq", right=Literal(value=str(value))) if left == variable:
            return [value]
        case In(left=left, values=values) if left == variable:
            return [str(one.value) for one in values]
        case Or(parts=parts):
            each = [_equal_to(part, variable) for part in parts]
            return None if None in each else [one for found in each for one in found or ()]
    return None


def _count(call: Call, kind: Kind, everything: Iterable[DirectoryObject]) -> Response:
    if not call.request.eventual:
        raise bad_request("$count is not currently supported.", "Request_BadRequest")
    number = len(_filtered(call, kind, everything))
    return Response(200, str(number), {"Content-Type": "text/plain"})


def count_users(call: Call) -> Response:
    """`GET /users/$count`: a bare number as text; only with ConsistencyLevel: eventual."""
    return _count(call, USER, call.tenant.users.values())


def count_groups(call: Call) -> Response:
    """`GET /groups/$count`."""
    return _count(call, GROUP, call.tenant.groups.values())


def _one(call: Call, kind: Kind, item: DirectoryObject) -> Response:
    names = kind.names(call.options.get("$select"))
    return Response(200, {"@odata.context": call.context(_SETS[kind], single=True), **kind.render(item, names)})


def get_user(call: Call) -> Response:
    """`GET /users/{id or user principal name}`."""
    return _one(call, USER, call.tenant.user(call.keys[0]))


def get_group(call: Call) -> Response:
    """`GET /groups/{id}`."""
    return _one(call, GROUP, call.tenant.group(call.keys[0]))


def get_contact(call: Call) -> Response:
    """`GET /contacts/{id}`."""
    return _one(call, CONTACT, call.tenant.contact(call.keys[0]))


def list_members(call: Call) -> Response:
    """`GET /groups/{id}/members`: direct ones."""
    group = call.tenant.group(call.keys[0])
    found = [item for key in group.members if (item := call.tenant.object(key)) is not None]
    return _members(call, group, found)


def list_transitive_members(call: Call) -> Response:
    """`GET /groups/{id}/transitiveMembers`: at any depth, each once, groups included."""
    group = call.tenant.group(call.keys[0])
    return _members(call, group, call.tenant.transitive_members(group))


def _members(call: Call, group: Group, found: Sequence[DirectoryObject]) -> Response:
    """A page of members. Without Member.Read.Hidden a group with hidden membership looks empty (graph.md 6)."""
    roles = set(call.request.caller.roles)
    if group.visibility == "HiddenMembership" and not roles & _HIDDEN_READERS:
        found = []
    if len(call.keys) > 1:
        kind = _cast(call, group)
        found = [item for item in found if kind_of(item) is kind]
    if "$filter" in call.options or "$orderby" in call.options:
        unsupported("$filter and $orderby on members")
    return collection.answer(
        call, found, collection.DIRECTORY, "directoryObjects", lambda item: _member(call, item, roles)
    )


def _cast(call: Call, group: Group) -> Kind:
    name = call.keys[1]
    prefix = next((one for one in NAMESPACES if name.lower().startswith(one)), None)
    if prefix is None:
        unsupported(f"the segment '{name}' below members")
    kind = {kind.name.lower(): kind for kind in _READERS}.get(name.lower().removeprefix(prefix))
    if kind is None:
        unsupported(f"the type {name}")
    if kind is GROUP and "Unified" in group.group_types:
        raise bad_request("A Microsoft 365 group has no groups among its members.", "Request_UnsupportedQuery")
    need_advanced(call, "an OData cast")
    return kind


def _member(call: Call, item: DirectoryObject, roles: set[str]) -> dict[str, Any]:
    """A member with its type. Of a type that the app may not read: its id, and null for other properties."""
    kind = kind_of(item)
    document: dict[str, Any] = {"@odata.type": f"#{_CAST}{kind.name}"}
    readable = bool(roles & (_READERS[kind] | _DIRECTORY_READERS))
    select = call.options.get("$select")
    if select is None:
        names = kind.names(None)
    else:
        wanted = [name.strip() for name in select.split(",")]
        for name in wanted:
            if not any(one.entity.find(name) for one in _READERS):
                raise no_such_property(name, "directoryObject")
        # A property that only another type of member has is left out.
        own = [name for name in wanted if kind.entity.find(name)]
        names = kind.names(",".join(own)) if own else ()
    if readable:
        return document | kind.render(item, names)
    return document | dict.fromkeys(names) | {"id": item.id}


def list_roles(call: Call) -> Response:
    """`GET /directoryRoles`: the activated ones."""
    items: list[Any] = list(call.tenant.roles.values())
    if text := call.options.get("$filter"):
        fits = compile_filter(text, ROLE)
        items = [item for item in items if fits(item)]
    return _page(call, items, "directoryRoles", ROLE)


def list_role_members(call: Call) -> Response:
    """`GET /directoryRoles/{id}/members`: direct ones."""
    role = call.tenant.role(call.keys[0])
    found = [item for key in role.members if (item := call.tenant.object(key)) is not None]
    # A permission to read roles shows their members too.
    roles = set(call.request.caller.roles) | _DIRECTORY_READERS
    return collection.answer(
        call, found, collection.DIRECTORY, "directoryObjects", lambda item: _member(call, item, roles)
    )


def get_by_ids(call: Call) -> Response:
    """`POST /directoryObjects/getByIds`: those of the ids that exist, of the types that are asked for."""
    ids = call.parameter("ids")
    if not isinstance(ids, list) or not all(isinstance(key, str) for key in ids) or len(ids) > _MAX_IDS:
        raise bad_request(f"The parameter 'ids' is a collection of at most {_MAX_IDS} strings.", "Request_BadRequest")
    if malformed := [key for key in ids if not is_object_id(key) and call.tenant.object(key) is None]:
        raise malformed_object_id(malformed[0])
    types = next((value for key, value in call.body().items() if key.lower() == "types"), None)
    known = {kind.name for kind in _READERS}
    if types is not None and not (isinstance(types, list) and all(isinstance(one, str) for one in types)):
        raise bad_request("The parameter 'types' is a collection of strings.", "Request_BadRequest")
    if types and not known.issuperset(types):
        unsupported(f"the types {types} in getByIds")
    found = [item for key in dict.fromkeys(ids) if (item := call.tenant.object(key)) is not None]
    if types:
        found = [item for item in found if kind_of(item).name in types]
    roles = set(call.request.caller.roles)
    body = {"@odata.context": call.context("directoryObjects"), "value": [_member(call, item, roles) for item in found]}
    return Response(200, body)

"""Which handler serves which path."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

from local.emulators.graph import directory, entities, folders, mail, trace
from local.emulators.graph.errors import bad_request, unsupported
from local.emulators.graph.http import Call, Response

Handler = Callable[[Call], Response]

_KEY = "{id}"
_PAGE = frozenset({"$select", "$top", "$count"})
_MESSAGE = frozenset({"$select", "$expand"})
_MESSAGES = _PAGE | _MESSAGE | {"$filter", "$orderby", "$skip"}
_FOLDERS = _PAGE | {"$filter", "$skip", "includehiddenfolders"}
_DIRECTORY = _PAGE | {"$filter", "$orderby", "$skiptoken"}
_MEMBERS = _PAGE | {"$filter", "$orderby", "$skiptoken"}
_SELECT = frozenset({"$select"})
_NONE: frozenset[str] = frozenset()


class Service(Enum):
    """The service behind a path; limits and error codes differ."""

    OUTLOOK = "outlook"
    DIRECTORY = "directory"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Route:
    """A path and method that is served.

    `template` is the path in lower case with `{id}` for keys, as in the permission table. `options` are the query
    options that it takes.
    """

    method: str
    template: str
    handler: Handler
    options: frozenset[str]
    service: Service
    permission_path: str
    """The template under which the permission table lists it."""


def _route(method: str, template: str, handler: Handler, options: frozenset[str], permission_path: str = "") -> Route:
    service = Service.DIRECTORY
    if template.startswith("/admin/"):
        service = Service.TRACE
    elif template.startswith("/users/{id}/"):
        service = Service.OUTLOOK
    return Route(method, template, handler, options, service, permission_path or template)


_MAILBOX = "/users/{id}"
_FOLDER = "/users/{id}/mailfolders/{id}"
_RULES = "/users/{id}/mailfolders/inbox/messagerules"

ROUTES: tuple[Route, ...] = (
    *(
        route
        for parent, listing in ((_MAILBOX, mail.list_messages), (_FOLDER, mail.list_folder_messages))
        for route in (
            _route("GET", f"{parent}/messages", listing, _MESSAGES),
            _route("GET", f"{parent}/messages/{{id}}", mail.get_message, _MESSAGE),
            _route("PATCH", f"{parent}/messages/{{id}}", mail.update_message, _NONE),
            _route("DELETE", f"{parent}/messages/{{id}}", mail.delete_message, _NONE),
            _route("POST", f"{parent}/messages/{{id}}/move", mail.move_message, _NONE),
            _route("POST", f"{parent}/messages/{{id}}/permanentdelete", mail.permanently_delete, _NONE),
        )
    ),
    _route("GET", f"{_MAILBOX}/mailfolders", folders.list_folders, _FOLDERS),
    _route("POST", f"{_MAILBOX}/mailfolders", folders.create_folder, _NONE),
    _route("GET", _FOLDER, folders.get_folder, _SELECT),
    _route("GET", f"{_FOLDER}/childfolders", folders.list_child_folders, _FOLDERS),
    _route("POST", f"{_FOLDER}/childfolders", folders.create_folder, _NONE),
    _route("GET", f"{_FOLDER}/messagerules", folders.list_rules, _NONE, _RULES),
    _route("GET", f"{_MAILBOX}/mailboxsettings", folders.get_settings, _SELECT),
    _route("GET", f"{_MAILBOX}/mailboxsettings/userpurpose", folders.get_purpose, _NONE, f"{_MAILBOX}/mailboxsettings"),
    _route("GET", "/users", directory.list_users, _DIRECTORY),
    _route("GET", "/users/$count", directory.count_users, frozenset({"$filter"})),
    _route("GET", "/users/{id}", directory.get_user, _SELECT),
    _route("GET", "/groups", directory.list_groups, _DIRECTORY),
    _route("GET", "/groups/$count", directory.count_groups, frozenset({"$filter"})),
    _route("GET", "/groups/{id}", directory.get_group, _SELECT),
    _route("GET", "/groups/{id}/members", directory.list_members, _MEMBERS),
    _route("GET", "/groups/{id}/members/{id}", directory.list_members, _MEMBERS, "/groups/{id}/members"),
    _route("GET", "/groups/{id}/transitivemembers", directory.list_transitive_members, _MEMBERS),
    _route(
        "GET",
        "/groups/{id}/transitivemembers/{id}",
        directory.list_transitive_members,
        _MEMBERS,
        "/groups/{id}/transitivemembers",
    ),
    _route("GET", "/contacts", directory.list_contacts, _DIRECTORY),
    _route("GET", "/contacts/{id}", directory.get_contact, _SELECT),
    _route("GET", "/directoryroles", directory.list_roles, frozenset({"$select", "$filter"})),
    _route("GET", "/directoryroles/{id}/members", directory.list_role_members, _SELECT),
    _route("POST", "/directoryobjects/getbyids", directory.get_by_ids, _SELECT),
    _route("GET", "/admin/exchange/tracing/messagetraces", trace.list_traces, _PAGE | {"$filter", "$skiptoken"}),
)


class _Node:
    """A node in the tree of paths."""

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.routes: dict[str, Route] = {}


def _tree() -> _Node:
    root = _Node()
    for route in ROUTES:
        node = root
        for segment in route.template.strip("/").split("/"):
            node = node.below.setdefault(segment, _Node())
        node.routes[route.method] = route
    return root


_ROOT = _tree()


def served() -> dict[str, set[str]]:
    """Templates as the permission table has them, with their methods."""
    found: dict[str, set[str]] = {}
    for route in ROUTES:
        found.setdefault(route.permission_path, set()).add(route.method)
    return found


def resolve(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The route of a path and its keys, decoded; 501 that names the segment or method if there is none.

    Empty segments are skipped, since the SDK's default client sends `/v1.0//users` (graph.md 10.2); keys may be
    written `mailFolders('inbox')` too. A segment that names an operation on the collection (`delta`, `$count`) is
    no key, unless it is written as one.
    """
    node, keys, collection = _ROOT, [], ""
    segments = _segments(path)
    if segments and segments[0][0].lower() == "me":
        raise bad_request("/me request is only valid with delegated authentication flow.")
    for segment, is_key in segments:
        inner = None if is_key else node.below.get(segment.lower())
        if inner is None:
            inner = node.below.get(_KEY)
            if inner is None or not (is_key or collection in _TYPED or not _is_operation(segment)):
                return unsupported(f"the segment '{segment}' in {path}")
            keys.append(segment)
        node, collection = inner, segment.lower()
    route = node.routes.get(method)
    if route is None:
        return unsupported(f"{method} {path}")
    return route, tuple(keys)


_TYPED = frozenset({"members", "transitivemembers"})
"""Collections whose next segment is the type of members that are wanted, and no key."""


def _is_operation(segment: str) -> bool:
    """Whether the segment is a system segment, a type or an operation, with or without parameters."""
    name = segment.partition("(")[0].lower()
    return name.startswith(("$", *entities.NAMESPACES)) or name in entities.operations()


def _segments(path: str) -> list[tuple[str, bool]]:
    """The segments, decoded, and whether each was written as a key: `users('a')` is `users` and the key `a`."""
    segments: list[tuple[str, bool]] = []
    for raw in path.split("/"):
        if not raw:
            continue
        try:
            segment = unquote(raw, errors="strict")
        except UnicodeDecodeError:
            raise bad_request(f"The segment '{raw}' is not UTF-8.") from None
        name, bracket, key = segment.partition("('")
        if bracket and key.endswith("')") and name.isalpha():
            segments += [(name, False), (key[:-2].replace("''", "'"), True)]
        else:
            segments.append((segment, False))
    return segments

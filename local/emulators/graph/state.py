"""A tenant in memory: the directory with its indexes, and mailboxes that are built when they are first used."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from local.emulators.graph.errors import GraphError, malformed_object_id, resource_not_found
from local.emulators.graph.kinds import DirectoryObject
from local.emulators.graph.mailbox import MailboxState
from local.emulators.graph.model import DirectoryRole, Group, Mailbox, MailboxKind, OrgContact, Tenant, TraceRow, User

_NO_MAILBOX = GraphError(
    404,
    "MailboxNotEnabledForRESTAPI",
    "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
)


_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


class TenantState:
    """The tenant.

    Args:
        tenant: its content at the start.
        now: the clock.
        hidden_in_messages: whether `/users/{id}/messages` finds items in hidden folders. Microsoft does not say
            (reference/graph.md 2.2), so production code has to work with both.
    """

    def __init__(
        self,
        tenant: Tenant,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        hidden_in_messages: bool = False,
    ) -> None:
        self.now = now
        self.hidden_in_messages = hidden_in_messages
        self.load(tenant)

    @classmethod
    def from_tenant(cls, tenant: Tenant, *, hidden_in_messages: bool = False) -> "TenantState":
        """The state of the tenant, with the real clock."""
        return cls(tenant, hidden_in_messages=hidden_in_messages)

    def load(self, tenant: Tenant) -> None:
        """Replace everything by this tenant."""
        self.id = tenant.id
        self.users = {user.id: user for user in tenant.users}
        self.groups = {group.id: group for group in tenant.groups}
        self.contacts = {contact.id: contact for contact in tenant.contacts}
        self.roles: dict[str, DirectoryRole] = {role.id: role for role in tenant.roles}
        self.trace: list[TraceRow] = list(tenant.trace)
        self._names = {user.user_principal_name.lower(): user for user in tenant.users}
        self._by_address: dict[str, list[DirectoryObject]] = {}
        for item in self.directory():
            for address in item.proxy_addresses:
                self._by_address.setdefault(address.lower(), []).append(item)
        self._mailboxes: dict[str, Mailbox | MailboxState] = {box.user_id: box for box in tenant.mailboxes}

    def directory(self) -> Iterable[DirectoryObject]:
        """All users, groups and contacts."""
        yield from self.users.values()
        yield from self.groups.values()
        yield from self.contacts.values()

    def object(self, key: str) -> DirectoryObject | None:
        """A user, group or contact by its id."""
        return self.users.get(key) or self.groups.get(key) or self.contacts.get(key)

    def with_address(self, proxy_address: str) -> list[DirectoryObject]:
        """Objects with this proxy address (with its `smtp:`), compared without regard to case."""
        return self._by_address.get(proxy_address.lower(), [])

    def find_user(self, key: str) -> User | None:
        """By object id or user principal name."""
        return self.users.get(key.lower()) or self.users.get(key) or self._names.get(key.lower())

    def user(self, key: str) -> User:
        """By object id or user principal name; 404 if there is none."""
        found = self.find_user(key)
        if found is None:
            raise resource_not_found(key)
        return found

    def group(self, key: str) -> Group:
        """By object id; 404 if there is none, 400 if it is no id."""
        found = self.groups.get(key)
        if found is None:
            raise no_such_object(key)
        return found

    def contact(self, key: str) -> OrgContact:
        """By object id; 404 if there is none, 400 if it is no id."""
        found = self.contacts.get(key)
        if found is None:
            raise no_such_object(key)
        return found

    def role(self, key: str) -> DirectoryRole:
        """By object id; 404 if there is none, 400 if it is no id."""
        found = self.roles.get(key)
        if found is None:
            raise no_such_object(key)
        return found

    def raw_mailbox(self, user_id: str) -> MailboxState | None:
        """The mailbox of any kind; None if the user has none."""
        found = self._mailboxes.get(user_id)
        if isinstance(found, Mailbox):
            found = self._mailboxes[user_id] = MailboxState(found)
        return found

    def mailbox(self, key: str) -> MailboxState:
        """The mailbox by its user, or the error that the API answers with (graph.md 5.1 and 5.3)."""
        user = self.find_user(key)
        if user is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{key}' is invalid.")
        mailbox = self.raw_mailbox(user.id)
        if mailbox is None:
            raise _fresh(_NO_MAILBOX)
        if not mailbox.in_scope:
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        if mailbox.kind is MailboxKind.MOVING:
            raise GraphError(503, "ErrorMailboxMoveInProgress", "Mailbox move in progress. Try again later.")
        if mailbox.kind not in {MailboxKind.CLOUD, MailboxKind.SHARED}:
            raise _fresh(_NO_MAILBOX)
        return mailbox

    def transitive_members(self, group: Group) -> list[DirectoryObject]:
        """All members at any depth, each once, groups included. Groups may contain each other."""
        found: dict[str, DirectoryObject] = {}
        waiting = list(reversed(group.members))
        while waiting:
            key = waiting.pop()
            item = self.object(key)
            if item is None or key in found or key == group.id:
                continue
            found[key] = item
            if isinstance(item, Group):
                waiting.extend(reversed(item.members))
        return list(found.values())


def is_object_id(text: str) -> bool:
    """Whether it can be the id of a directory object: a GUID."""
    return _GUID.match(text) is not None


def no_such_object(key: str) -> GraphError:
    """The error for an id that no directory object has: 404, or 400 if it is no GUID."""
    return resource_not_found(key) if is_object_id(key) else malformed_object_id(key)


def _fresh(error: GraphError) -> GraphError:
    """A copy to raise: an exception that is raised twice keeps its first traceback."""
    return GraphError(error.status, error.code, error.message, retry_after=error.retry_after)

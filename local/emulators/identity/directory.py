"""The managed identities of the local cloud, with the roles that each has, by resource."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from local.emulators import private
from local.emulators.identity.tokens import Caller


@dataclass(frozen=True, slots=True)
class Identity:
    """A user-assigned managed identity.

    `grants` are role names by resource (the `resource` of a token request, without a slash at its end). The directory
    does not know any other resource.
    """

    name: str
    client_id: str
    object_id: str
    grants: dict[str, list[str]]

    def caller(self, resource: str) -> Caller | None:
        """The caller that a token for `resource` names; None if the directory does not know the resource."""
        roles = self.grants.get(resource.rstrip("/"))
        if roles is None:
            return None
        # The audience is what was asked for, slash and all, as Entra has it.
        return Caller(self.client_id, self.object_id, resource, tuple(roles), self.name)


@dataclass(frozen=True, slots=True)
class App:
    """A function app: the secret of its identity endpoint, and the identities that are assigned to it."""

    header: str
    identities: list[Identity]

    def identity(self, client_id: str | None) -> Identity | None:
        """The identity with this client id; None if there is none. There is no system-assigned identity."""
        return next((one for one in self.identities if one.client_id == client_id), None)


@dataclass(frozen=True, slots=True)
class Directory:
    """All apps of one tenant."""

    tenant_id: str
    apps: list[App]

    def app(self, header: str | None) -> App | None:
        """The app with this secret; None if there is none."""
        return next((one for one in self.apps if one.header == header), None)


def dump(directory: Directory, path: Path) -> None:
    """Write the directory to a file that only its owner can read: it holds the endpoints' secrets."""
    private.write(path, json.dumps(asdict(directory), indent=1))


def load(path: Path) -> Directory:
    """Read what `dump` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Directory(
        tenant_id=document["tenant_id"],
        apps=[
            App(header=app["header"], identities=[Identity(**identity) for identity in app["identities"]])
            for app in document["apps"]
        ],
    )

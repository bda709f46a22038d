"""Where the API is and what opens it: options, the environment, or the local cloud that runs here."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from cli import local_cloud
from cli.errors import USAGE, CommandError


@dataclass(frozen=True, slots=True)
class Access:
    """What a request to the API needs.

    Args:
        url: without `/api` and without a slash at its end.
        key: function key.
        token: bearer token, where people sign in.
        ca: file with the certificate authority to trust; empty: those that the system trusts.
    """

    url: str
    key: str
    token: str = ""
    ca: str = ""

    @property
    def on_this_machine(self) -> bool:
        """Whether the address is a loopback address."""
        return _is_loopback(urlsplit(self.url).hostname or "")


def find(url: str | None, key: str | None, sign_in: str | None = None) -> Access:
    """The Clawback at `url`, or else the local cloud.

    Raises:
        CommandError: neither is given, the key would go over the network in clear text, or nobody is signed in.
    """
    if not url:
        cloud = local_cloud.read()
        return Access(_checked(cloud.url), cloud.key, ca=cloud.ca)
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise CommandError("the key is wrong: it has characters that no key has", USAGE)
    return Access(_checked(url), key, _token(sign_in) if sign_in else "")


def _checked(url: str) -> str:
    """The address without `/api`; https, or http to this machine."""
    if not _keeps_secrets(url):
        raise CommandError(f"{url}: an https:// address is needed (http:// only to this machine)", USAGE)
    return url.rstrip("/").removesuffix("/api")


def _keeps_secrets(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    # What cannot be printed cannot be sent either: control characters, halves of a character.
    return (
        bool(host)
        and url.isprintable()
        and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(client_id: str) -> str:
    """A token of the account that is signed in with Azure CLI, for the app registration of this client id."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import AzureCliCredential, CredentialUnavailableError

    try:
        return str(AzureCliCredential().get_token(f"{client_id}/.default").token)
    except (CredentialUnavailableError, ClientAuthenticationError) as error:
        raise CommandError(f"no token from Azure CLI: {error.message}") from None
    except ValueError as error:
        # azure-identity checks the client id before it starts Azure CLI.
        raise CommandError(f"--sign-in: {error}", USAGE) from None

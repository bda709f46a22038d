"""The HTTP API, for the command line: a deployed Clawback's or the local one's."""

import ipaddress
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from local.stack import API_FILE

LOCAL = Path("out") / "local"
"""State directory of `clawback local up`."""

# Exit statuses, told in `clawback --help`.
REFUSED = 1
USAGE = 2
UNREACHABLE = 3


_NEXT = re.compile(r'<(\?[^>]*)>; rel="next"')


class CommandError(Exception):
    """The command failed; the message is for the person, `status` for the script."""

    def __init__(self, message: str, status: int = REFUSED) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is, the function key that opens it, and who asks where people sign in."""

    url: str
    key: str
    token: str = ""

    @classmethod
    def find(cls, url: str | None, key: str | None, sign_in: str | None = None) -> "Api":
        """By option, by CLAWBACK_API_URL, CLAWBACK_API_KEY and CLAWBACK_SIGN_IN, or the local cloud that is up.

        Raises:
            CommandError: none of them says where, the key would go over the network in clear text, or nobody is signed
                in.
        """
        url, key = url or os.environ.get("CLAWBACK_API_URL"), key or os.environ.get("CLAWBACK_API_KEY")
        sign_in = sign_in or os.environ.get("CLAWBACK_SIGN_IN")
        if url:
            if not _keeps_secrets(url):
                raise CommandError(f"{url}: an https:// address is needed (http:// only to this machine)", USAGE)
            key = (key or "").strip()
            if not (key.isascii() and key.isprintable()):
                raise CommandError("the key is none: it has characters that no key has", USAGE)
            return cls(url.rstrip("/").removesuffix("/api"), key, _token(sign_in) if sign_in else "")
        try:
            told = json.loads((LOCAL / API_FILE).read_text(encoding="utf-8"))
        except OSError:
            raise CommandError(
                "Which Clawback? Give --url and --key, or run `clawback local up` first", USAGE
            ) from None
        return cls(told["url"], told["key"])

    def get(self, path: str) -> Any:
        """The JSON below `/api/`."""
        return _parsed(self._call(path)[0])

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
        """The JSON that answers `body`."""
        return _parsed(self._call(path, body, headers)[0])

    def command(self, incident: str, name: str, body: dict[str, Any]) -> Any:
        """Ask for something to be done with the incident."""
        return self.post(f"{_path(incident)}/{name}", json.dumps(body).encode())

    def incident(self, incident: str) -> dict[str, Any]:
        """The incident and its counts, without targets."""
        found: dict[str, Any] = self.get(f"{_path(incident)}?top=1")
        for partial in ("targets", "tree", "next"):
            found.pop(partial, None)
        return found

    def verification(self, incident: str) -> dict[str, Any]:
        """Whether the record of the incident is whole, checked part after part."""
        entries, anchors = 0, []
        query = ""
        while True:
            found: dict[str, Any] = self.get(f"{_path(incident)}/verify-chain{query}")
            entries += found["chain"]["entries"]
            anchors += found.get("anchors", [])
            query = found.pop("next", "")
            # A part that is not intact is the last one.
            if not query:
                intact = found["intact"] and all(anchor["holds"] for anchor in anchors)
                return {**found, "intact": intact, "chain": {**found["chain"], "entries": entries}, "anchors": anchors}

    def targets(self, incident: str) -> Iterator[dict[str, Any]]:
        """All targets of the incident, page after page."""
        query = "?top=1000"
        while query:
            page = self.get(f"{_path(incident)}{query}")
            yield from page["targets"]
            query = page.get("next", "")

    def activity_csv(self, incident: str) -> str:
        """The activity of all targets as CSV, page after page, with one header row."""
        pages: list[str] = []
        query = ""
        while True:
            body, following = self._call(f"{_path(incident)}/activity.csv{query}")
            page = body.decode()
            # No column's name has a line end in it: the header is the first line.
            pages.append(page.partition("\n")[2] if pages else page)
            if (found := _NEXT.search(following)) is None:
                return "".join(pages)
            query = found[1]

    def _call(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[bytes, str]:
        """The answer's bytes and its Link header.

        Raises:
            CommandError: the API refused, with its problem details; or it cannot be reached.
        """
        signed_in = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(  # noqa: S310 - https, or http to this machine: `find`
            f"{self.url}/api/{path}", body, {"x-functions-key": self.key, **signed_in, **(headers or {})}
        )
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return answer.read(), answer.headers.get("Link", "")
        except urllib.error.HTTPError as error:
            raise CommandError(_problem(error)) from None
        except OSError as error:
            raise CommandError(f"{self.url} cannot be reached: {error}", UNREACHABLE) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The API never redirects; whoever does is not to be given the key."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _token(client_id: str) -> str:
    """A token of whoever is signed in with Azure CLI, for the app registration of this client id."""
    from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - not needed for the local cloud
    from azure.identity import AzureCliCredential, CredentialUnavailableError  # noqa: PLC0415 - as above

    try:
        return str(AzureCliCredential().get_token(f"{client_id}/.default").token)
    except (CredentialUnavailableError, ClientAuthenticationError) as error:
        raise CommandError(f"no token from Azure CLI: {error.message}") from None


def _keeps_secrets(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http":
        return False
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _path(incident: str) -> str:
    return f"incidents/{quote(incident, safe='')}"


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise CommandError("the answer is not JSON: is this the address of a Clawback?", UNREACHABLE) from None


def _problem(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read())
    except ValueError:
        told = None
    if not isinstance(told, dict) or "title" not in told:
        needs_key = error.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        return f"{error.code} {error.reason}{': is the key right?' if needs_key else ''}"
    flaws = "".join(f"\n  {flaw.get('path')}: {flaw.get('kind')}" for flaw in told.get("errors", []))
    detail = f": {told['detail']}" if told.get("detail") else ""
    return f"{told['title']}{detail}{flaws} ({told.get('instance', error.code)})"

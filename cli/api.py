"""The HTTP API, for the command line: a deployed Clawback's or the local one's."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.stack import API_FILE

LOCAL = Path("out") / "local"
"""State directory of `clawback local up`."""

# Exit statuses, told in `clawback --help`.
REFUSED = 1
USAGE = 2
UNREACHABLE = 3


class CommandError(Exception):
    """The command failed; the message is for the person, `status` for the script."""

    def __init__(self, message: str, status: int = REFUSED) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is, and the function key that opens it."""

    url: str
    key: str

    @classmethod
    def find(cls, url: str | None, key: str | None) -> "Api":
        """By option, by CLAWBACK_API_URL and CLAWBACK_API_KEY, or the local cloud that is up.

        Raises:
            CommandError: none of them says where.
        """
        url, key = url or os.environ.get("CLAWBACK_API_URL"), key or os.environ.get("CLAWBACK_API_KEY")
        if url:
            return cls(url.rstrip("/"), key or "")
        try:
            told = json.loads((LOCAL / API_FILE).read_text(encoding="utf-8"))
        except OSError:
            raise CommandError(
                "Which Clawback? Give --url and --key, or run `clawback local up` first", USAGE
            ) from None
        return cls(told["url"], told["key"])

    def get(self, path: str) -> Any:
        """The JSON below `/api/`."""
        return json.loads(self.call(path))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send a command."""
        return json.loads(self.call(path, json.dumps(body).encode()))

    def call(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """The answer's bytes.

        Raises:
            CommandError: the API refused, with its problem details; or it cannot be reached.
        """
        request = urllib.request.Request(  # noqa: S310 - http or https, as the person said
            f"{self.url}/api/{path}", body, {"x-functions-key": self.key, **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise CommandError(_problem(error)) from None
        except (urllib.error.URLError, OSError) as error:
            raise CommandError(f"{self.url} cannot be reached: {error}", UNREACHABLE) from None

    def targets(self, incident: str) -> Iterator[dict[str, Any]]:
        """All targets of the incident, page after page."""
        query = "?top=1000"
        while query:
            page = self.get(f"incidents/{incident}{query}")
            yield from page["targets"]
            query = page.get("next", "")


def _problem(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read())
    except ValueError:
        told = {}
    if not told:
        needs_key = error.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        return f"{error.code} {error.reason}{': is the key right?' if needs_key else ''}"
    flaws = "".join(f"\n  {flaw.get('path')}: {flaw.get('kind')}" for flaw in told.get("errors", []))
    detail = f": {told['detail']}" if told.get("detail") else ""
    return f"{told.get('title')}{detail}{flaws} ({told.get('instance', error.code)})"

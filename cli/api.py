"""The HTTP API, for the command line: requests, pages and refusals."""

import json
import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from cli.access import Access
from cli.errors import UNREACHABLE, USAGE, CommandError

# Seconds, for each of connecting, sending and waiting for the answer. Functions answer HTTP within 230 s at most; the
# slowest of ours, a check of a large chain, is far below a minute.
_TIMEOUT = 60.0

_NOT_OURS = "the answer is not of the kind that Clawback gives: is this the address of a Clawback?"

_NEXT = re.compile(r'<(\?[^>]*)>; rel="next"')


class Api:
    """One Clawback. Close it after use (`with`)."""

    def __init__(self, access: Access) -> None:
        self.url = access.url
        headers = {"x-functions-key": access.key}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token}"
        try:
            self._client = httpx.Client(
                base_url=f"{access.url}/api/",
                headers=headers,
                timeout=_TIMEOUT,
                # Redirects are refused: the API sends none, and the key must not follow one.
                follow_redirects=False,
                # What the system trusts, as other programs do, and not only httpx's own list.
                verify=ssl.create_default_context(cafile=access.ca or None),
                # What stays on this machine must not go to a proxy: it may be in clear text.
                trust_env=not access.on_this_machine,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise CommandError(f"{access.url}: {error}", USAGE) from None
        except OSError as error:
            raise CommandError(f"{access.ca}: {error.strerror or 'no certificate authority'}", USAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object below `/api/`."""
        return _parsed(self._send("GET", path))

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """The JSON object that answers `body`."""
        return _parsed(self._send("POST", path, body, headers))

    def pages(self, path: str, query: str = "") -> Iterator[dict[str, Any]]:
        """JSON objects, page after page: each has the query of its next page in `next`."""
        following: str | None = query
        while following is not None:
            page = self.get(f"{path}{following}")
            yield page
            following = page.get("next")

    def text_pages(self, path: str) -> Iterator[str]:
        """Texts, page after page: each has the query of its next page in the header `Link`."""
        query = ""
        while True:
            answer = self._send("GET", f"{path}{query}")
            yield answer.content.decode("utf-8", "replace")
            if (found := _NEXT.search(answer.headers.get("Link", ""))) is None:
                return
            query = found[1]

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer.

        Raises:
            CommandError: the API refused, with its problem details; or it cannot be reached.
        """
        try:
            answer = self._client.request(method, path, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise CommandError(f"{self.url} cannot be reached: {error}", UNREACHABLE) from None
        if not answer.is_success:
            raise CommandError(_problem(answer))
        return answer


def segment(text: str) -> str:
    """`text` as one part of a path.

    Raises:
        CommandError: it cannot be one: it is empty, a step to another folder, or not text.
    """
    try:
        quoted = quote(text, safe="")
    except UnicodeEncodeError:
        quoted = ""
    # Clients and servers take `.` and `..` out of a path, quoted or not.
    if quoted in {"", ".", ".."}:
        raise CommandError(f"{text!r} is not an id", USAGE)
    return quoted


def objects(value: Any) -> list[dict[str, Any]]:
    """`value`, which has to be a list of JSON objects.

    Raises:
        CommandError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise CommandError(_NOT_OURS, UNREACHABLE)
    return value


def _parsed(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise CommandError(_NOT_OURS, UNREACHABLE)
    return body


def _problem(answer: httpx.Response) -> str:
    try:
        problem = json.loads(answer.content)
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict) or "title" not in problem:
        needs_key = answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        return f"{answer.status_code} {answer.reason_phrase}: {'is the key right?' if needs_key else _path(answer)}"
    errors = problem.get("errors")
    listed = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    lines = "".join(f"\n  {error.get('path')}: {error.get('kind')}" for error in listed)
    detail = f": {problem['detail']}" if problem.get("detail") else ""
    looked_for = f" {_path(answer)}" if answer.status_code == HTTPStatus.NOT_FOUND else ""
    return f"{problem['title']}{detail}{looked_for}{lines} ({problem.get('instance', answer.status_code)})"


def _path(answer: httpx.Response) -> str:
    """What was asked for, below `/api/`."""
    return answer.url.path.partition("/api/")[2]

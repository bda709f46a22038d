"""One way to Graph: msgraph-sdk's pipeline, and batches that we build ourselves.

requests ─▶ waiting ─▶ batch of up to 20, never more than 4 of one mailbox in flight ─▶ POST /$batch
                                                                                        │
answers, each by itself ◀── matched by id; what has no answer may have been done ◀──────┘
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import ResponseHandlerOption, RetryHandlerOption
from msgraph_core import BaseGraphRequestAdapter, GraphClientFactory  # type: ignore[import-untyped]  # it has none

from shared.adapters.graph.classify import classify
from shared.errors import DeniedError, UnavailableError
from shared.ports.mailboxes import Answer, Refusal, RefusalKind

# Graph's own limits: requests of a batch; concurrent requests of one app in one mailbox (graph.md 7.1).
BATCH = 20
PER_MAILBOX = 4
# Graph hands a batch to Outlook four requests at a time: eight batches are 32 requests at work, which one worker
# process can keep up with.
_IN_FLIGHT = 8

# Outlook needs seconds for a slow mailbox, five times in a row within a batch.
_TIMEOUT = httpx.Timeout(90.0, connect=10.0)

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
EVENTUAL = {"ConsistencyLevel": "eventual"}

# A collection that does not end after this many pages is a loop.
_MAX_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` starts below the version, is percent-encoded, and carries its query."""

    path: str
    method: str = "GET"
    mailbox: str | None = None
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    request: Request
    answer: "asyncio.Future[Answer[dict[str, Any]]]"


class GraphGateway:
    """Graph for one process.

    Args:
        graph_url: base address with the version.
        credential: whose token is sent, and to no other host.
    """

    def __init__(self, graph_url: str, credential: AsyncTokenCredential) -> None:
        self._base = graph_url.rstrip("/")
        place = urlsplit(self._base)
        provider = AzureIdentityAuthenticationProvider(
            credential,
            scopes=["https://graph.microsoft.com/.default"],
            # Without a list the token goes to whatever host a nextLink names (graph.md 10.2).
            allowed_hosts=[place.hostname or ""],
        )
        options = {
            # Its retry would repeat a move that may have happened, and sleep in the function.
            RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0, should_retry=False)
        }
        self._http = GraphClientFactory.create_with_default_middleware(
            client=httpx.AsyncClient(timeout=_TIMEOUT, http2=True), options=options
        )
        self._adapter = BaseGraphRequestAdapter(provider, http_client=self._http)
        self._adapter.base_url = self._base
        self._raw = ResponseHandlerOption(NativeResponseHandler())
        self._waiting: deque[_Waiting] = deque()
        self._of_mailbox: Counter[str] = Counter()
        self._at_work: set[asyncio.Task[None]] = set()
        self._woken = False

    async def send(self, requests: Sequence[Request]) -> list[Answer[dict[str, Any]]]:
        """The body of each answer, or its refusal, in the order of the requests.

        Raises:
            UnavailableError, DeniedError: not one of them reached Graph.
        """
        if not requests:
            return []
        loop = asyncio.get_running_loop()
        items = [_Waiting(request, loop.create_future()) for request in requests]
        self._waiting.extend(items)
        self._wake()
        answers = await asyncio.gather(*(item.answer for item in items), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if len(failures) == len(answers):
            raise failures[0]
        # Others did get through: what failed has its own answer, and the caller sees what was done.
        lost = Refusal(RefusalKind.TRANSIENT, "NotSent", 0)
        return [lost if isinstance(answer, BaseException) else answer for answer in answers]

    async def collect(self, requests: Sequence[Request]) -> list[Answer[list[Any]]]:
        """The whole collection behind each request, page after page."""
        found: list[list[Any]] = [[] for _ in requests]
        refused: dict[int, Refusal] = {}
        pages = dict(enumerate(requests))
        for _ in range(_MAX_PAGES):
            following: dict[int, Request] = {}
            answers = await self.send(list(pages.values()))
            for place, request, answer in zip(list(pages), list(pages.values()), answers, strict=True):
                if isinstance(answer, Refusal):
                    refused[place] = answer
                    continue
                found[place].extend(answer.get("value") or [])
                if link := answer.get("@odata.nextLink"):
                    following[place] = self._next(request, link)
            if not following:
                break
            pages = following
        return [refused.get(place, items) for place, items in enumerate(found)]

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    def _next(self, request: Request, link: Any) -> Request:
        if not isinstance(link, str) or not link.startswith(f"{self._base}/"):
            raise UnavailableError("Graph: a nextLink that leads elsewhere")
        return Request(link.removeprefix(self._base), request.method, request.mailbox, None, request.headers)

    # From requests to batches

    def _wake(self) -> None:
        # Once per turn of the loop: what is asked in the same turn goes out in the same batches.
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._woken = False
        while self._waiting and len(self._at_work) < _IN_FLIGHT and (batch := self._take()):
            task = asyncio.create_task(self._run(batch))
            self._at_work.add(task)
            task.add_done_callback(self._done)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        while self._waiting and len(batch) < BATCH:
            item = self._waiting.popleft()
            mailbox = item.request.mailbox
            if mailbox is not None and self._of_mailbox[mailbox] >= PER_MAILBOX:
                left.append(item)
                continue
            if mailbox is not None:
                self._of_mailbox[mailbox] += 1
            batch.append(item)
        left.extend(self._waiting)
        self._waiting = left
        return batch

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._at_work.discard(task)
        self._wake()

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._post([item.request for item in batch])
            for item, answer in zip(batch, answers, strict=True):
                if not item.answer.done():
                    item.answer.set_result(answer)
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            for item in batch:
                if not item.answer.done():
                    item.answer.set_exception(error)
        finally:
            for item in batch:
                if item.request.mailbox is not None:
                    self._of_mailbox[item.request.mailbox] -= 1
                    if not self._of_mailbox[item.request.mailbox]:
                        del self._of_mailbox[item.request.mailbox]

    # One batch over the wire

    async def _post(self, requests: list[Request]) -> list[Answer[dict[str, Any]]]:
        info = RequestInformation()
        info.http_method = Method.POST
        info.url = f"{self._base}/$batch"
        info.headers.add("Content-Type", "application/json")
        info.headers.add("Accept", "application/json")
        info.content = json.dumps({"requests": [_item(str(i), one) for i, one in enumerate(requests)]}).encode()
        info.add_request_options([self._raw])
        try:
            response: Any = await self._adapter.send_primitive_async(info, "bytes", None)
        except AzureError as error:
            raise UnavailableError("Graph: no token") from error
        except httpx.ConnectError as error:
            raise UnavailableError("Graph: no connection") from error
        except httpx.HTTPError:
            # It was on its way: Graph may have done all of it.
            return [Refusal(RefusalKind.TRANSIENT, "NoAnswer", 0)] * len(requests)
        return _answers(response, len(requests))


def _item(key: str, request: Request) -> dict[str, Any]:
    item: dict[str, Any] = {"id": key, "method": request.method, "url": request.path}
    if request.body is None:
        if request.headers:
            item["headers"] = request.headers
        return item
    return {**item, "headers": {**request.headers, "Content-Type": "application/json"}, "body": request.body}


def _answers(response: httpx.Response, count: int) -> list[Answer[dict[str, Any]]]:
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    refusal = classify(response.status_code, body, response.headers)
    if refusal is not None:
        return [_whole(refusal)] * count
    told = body.get("responses") if isinstance(body, dict) else None
    by_id = {one.get("id"): one for one in told or [] if isinstance(one, dict)}
    return [_answer(by_id.get(str(place))) for place in range(count)]


def _whole(refusal: Refusal) -> Refusal:
    """A refusal of the batch itself; it is about us, not about a mailbox."""
    if refusal.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise DeniedError(f"Graph: {refusal.code}")
    if refusal.kind is RefusalKind.THROTTLED:
        raise UnavailableError(f"Graph: {refusal.code}", refusal.retry_after)
    if refusal.kind.passing:
        return refusal
    raise RuntimeError(f"Graph does not take our batch: {refusal.status} {refusal.code}")


def _answer(one: dict[str, Any] | None) -> Answer[dict[str, Any]]:
    if one is None:
        # Lost within Graph: it may have been done.
        return Refusal(RefusalKind.TRANSIENT, "NoAnswer", 0)
    status, body = one.get("status"), one.get("body")
    headers = one.get("headers") or {}
    refusal = classify(status if isinstance(status, int) else 0, body, {k.lower(): v for k, v in headers.items()})
    if refusal is not None:
        return refusal
    return body if isinstance(body, dict) else {}

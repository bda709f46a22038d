"""Microsoft Graph's `$batch`, for many mailboxes at a time: each request is answered by itself.

    send ─▶ a line for each mailbox ─▶ batches of 4 to 20 requests ─▶ up to 32 batches in flight

At most four requests of one mailbox are in flight, however many batches and callers there are. Batches do not make
Outlook faster: it takes four requests of a batch at a time. They save connections and CPU. So many requests go in full
batches, and a few are spread over several small ones, which are answered sooner (ADR 0007, graph.md 7.2).
"""

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from shared.adapters.graph.classify import classify
from shared.adapters.graph.documents import UNEXPECTED, Document
from shared.adapters.graph.pipeline import LostAnswerError, Pipeline, Reply
from shared.errors import ClawbackError, DeniedError, UnavailableError
from shared.ports.answers import Answer, Refusal, RefusalKind

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


K = TypeVar("K")

# A million members at 999 a page; a longer list is taken for an error of the server.
_MAX_PAGES = 1001

# Item ids are immutable only where the request itself says so (graph.md 3.2).
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
# Advanced queries of the directory ask its eventually consistent index.
EVENTUAL = {"ConsistencyLevel": "eventual"}

# Documented limits (graph.md 7.1): requests in one batch, and requests of one app to one mailbox at a time.
_PER_BATCH = 20
_PER_MAILBOX = 4
# Outlook takes four requests of a batch at a time, so a batch of four or fewer is answered in one round.
_PER_ROUND = 4
# Batches in flight, for one process: 128 requests that Outlook works on, about 500 a second at 250 ms each.
_BATCHES = 32
# What one chunk asks at once is less (99 targets, searched in two places): it is spread over small batches, since its
# time counts. More than this is several chunks, where the CPU for each target counts.
_MANY = 200
# Below this many seconds for a round a further HTTP request costs more than the wait that it saves.
_SLOW_ROUND = 0.05
# The shortest of so many rounds shows how fast Graph is; the others waited for our own CPU too.
_ROUNDS_KEPT = 32

_OK = 200
# Malformed or too large: nothing of the batch was carried out, and one request may be to blame for all.
_REFUSED_WHOLE = frozenset({400, 413})
_BUSY = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Request:
    """One request to Graph.

    Args:
        path: below the version, beginning with a slash, percent-encoded, with its query.
        method: HTTP method.
        mailbox: whose limit it counts against; None for the directory.
        body: JSON.
        headers: `IMMUTABLE` or `EVENTUAL`; no header of the batch is handed on to its requests.
    """

    path: str
    method: str = "GET"
    mailbox: str | None = None
    body: Document | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def part(self, number: int) -> Document:
        """As a batch carries it."""
        part: Document = {"id": str(number), "method": self.method, "url": self.path, "headers": self.headers}
        if self.body is not None:
            part["headers"] = {**self.headers, "Content-Type": "application/json"}
            part["body"] = self.body
        return part


class _Job:
    """A request that waits for its answer. An error as the answer means that the request was never carried out."""

    __slots__ = ("answer", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.answer: asyncio.Future[Answer[Document] | ClawbackError] = asyncio.get_running_loop().create_future()

    def settle(self, answer: Answer[Document] | ClawbackError) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class GraphGateway:
    """Graph for one process. Callers at the same time share its limits.

    Args:
        graph_url: with version, such as `https://graph.microsoft.com/v1.0`.
        credential: not closed by us.
    """

    def __init__(self, graph_url: str, credential: "AsyncTokenCredential") -> None:
        self._pipeline = Pipeline(graph_url, credential, connections=_BATCHES)
        self._lines: defaultdict[str | None, deque[_Job]] = defaultdict(deque)
        self._ready: dict[str | None, None] = {}
        """Mailboxes with requests that may be sent now, in the order in which they are served."""
        self._in_flight: Counter[str | None] = Counter()
        self._batches: set[asyncio.Task[None]] = set()
        self._rounds: deque[float] = deque(maxlen=_ROUNDS_KEPT)
        """Seconds that rounds of four requests took, the newest last."""

    async def close(self) -> None:
        """Give the connections back."""
        await self._pipeline.close()

    async def send(self, requests: Mapping[K, Request]) -> dict[K, Answer[Document]]:
        """The answers, by the keys of the requests: the JSON object of each, empty if it has none.

        A request whose answer was lost is TRANSIENT: it may have been carried out.

        Raises:
            UnavailableError, DeniedError: none of them could be asked.
        """
        jobs = {key: _Job(request) for key, request in requests.items()}
        for job in jobs.values():
            self._lines[job.request.mailbox].append(job)
            self._make_ready(job.request.mailbox)
        # In the next step of the event loop: who asks at the same time shares the batches.
        asyncio.get_running_loop().call_soon(self._start)
        await asyncio.gather(*(job.answer for job in jobs.values()))
        answers = {key: job.answer.result() for key, job in jobs.items()}
        errors = [answer for answer in answers.values() if isinstance(answer, ClawbackError)]
        if errors and len(errors) == len(answers):
            raise errors[0]
        return {k: _not_sent(answer) if isinstance(answer, ClawbackError) else answer for k, answer in answers.items()}

    async def collect(self, requests: Mapping[K, Request]) -> dict[K, Answer[list[Document]]]:
        """As `send`, for lists: the values of all pages."""
        found: dict[K, list[Document]] = {key: [] for key in requests}
        refused: dict[K, Refusal] = {}
        left = dict(requests)
        seen = {key: {request.path} for key, request in requests.items()}
        while left:
            pages = await self.send(left)
            asked, left = left, {}
            for key, page in pages.items():
                rows = _rows(page)
                if isinstance(rows, Refusal):
                    refused[key] = rows
                    continue
                found[key] += rows
                link = page.get("@odata.nextLink") if isinstance(page, dict) else None
                if link is not None:
                    path = self._below(link)
                    if path is None or path in seen[key] or len(seen[key]) == _MAX_PAGES:
                        refused[key] = Refusal(RefusalKind.PERMANENT, "ForeignNextLink", _OK)
                    else:
                        seen[key].add(path)
                        left[key] = replace(asked[key], path=path)
        return {key: refused.get(key, rows) for key, rows in found.items()}

    def _below(self, link: Any) -> str | None:
        """A nextLink as a path below the version; None if it leads elsewhere."""
        base = self._pipeline.base + "/"
        return link[len(base) - 1 :] if isinstance(link, str) and link.startswith(base) else None

    def _make_ready(self, mailbox: str | None) -> None:
        free = mailbox is None or self._in_flight[mailbox] < _PER_MAILBOX
        if free and self._lines[mailbox]:
            self._ready[mailbox] = None
        elif not self._lines[mailbox]:
            del self._lines[mailbox]

    def _start(self) -> None:
        size = self._batch_size()
        while self._ready and len(self._batches) < _BATCHES:
            if jobs := self._take(size):
                task = asyncio.get_running_loop().create_task(self._run(jobs))
                self._batches.add(task)
                task.add_done_callback(self._ended)

    def _batch_size(self) -> int:
        """Requests for each batch: as few rounds as carry everything that waits or is in flight, or a full batch."""
        requests = sum(map(len, self._lines.values())) + self._in_flight.total()
        if requests > _MANY or min(self._rounds, default=0.0) < _SLOW_ROUND:
            return _PER_BATCH
        return _PER_ROUND * max(1, math.ceil(requests / (_PER_ROUND * _BATCHES)))

    def _take(self, size: int) -> list[_Job]:
        """The next batch: mailboxes in turn, as many requests of each as may go."""
        jobs: list[_Job] = []
        while self._ready and len(jobs) < size:
            mailbox = next(iter(self._ready))
            del self._ready[mailbox]
            line = self._lines[mailbox]
            while line and len(jobs) < size and (mailbox is None or self._in_flight[mailbox] < _PER_MAILBOX):
                job = line.popleft()
                if not job.answer.done():  # else it was cancelled before it was sent
                    self._in_flight[mailbox] += 1
                    jobs.append(job)
            self._make_ready(mailbox)
        return jobs

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._start()

    async def _run(self, jobs: list[_Job]) -> None:
        try:
            await self._send(jobs)
        except Exception as error:  # noqa: BLE001 - an error of ours: every caller gets it
            for job in jobs:
                if not job.answer.done():
                    job.answer.set_exception(error)
        finally:
            for job in jobs:
                mailbox = job.request.mailbox
                self._in_flight[mailbox] -= 1
                if not self._in_flight[mailbox]:
                    del self._in_flight[mailbox]
                self._make_ready(mailbox)

    async def _send(self, jobs: list[_Job]) -> None:
        body = {"requests": [job.request.part(i) for i, job in enumerate(jobs)]}
        started = asyncio.get_running_loop().time()
        try:
            reply = await self._pipeline.post("/$batch", body)
        except LostAnswerError:
            _settle_all(jobs, _lost())
        except (UnavailableError, DeniedError) as error:
            _settle_all(jobs, error)
        else:
            took = asyncio.get_running_loop().time() - started
            self._rounds.append(took / math.ceil(len(jobs) / _PER_ROUND))
            await self._settle(jobs, reply)

    async def _settle(self, jobs: list[_Job], reply: Reply) -> None:
        if reply.status == _OK:
            self._distribute(jobs, reply.document)
        elif reply.status in _REFUSED_WHOLE and len(jobs) > 1:
            # One malformed id must not fail nineteen other requests: halve until it is alone.
            middle = len(jobs) // 2
            await self._send(jobs[:middle])
            await self._send(jobs[middle:])
        else:
            refused = classify(reply.status, reply.document, reply.headers)
            passing = reply.status == _BUSY or reply.status >= _SERVER_ERROR
            if refused is None:
                _settle_all(jobs, _lost())
            elif passing or reply.status in _REFUSED_WHOLE:
                _settle_all(jobs, refused)
            else:
                # The whole batch is refused: it is about our token or address, not about what was asked.
                _settle_all(jobs, DeniedError(f"Graph: {refused.code}"))

    def _distribute(self, jobs: list[_Job], document: Any) -> None:
        """Give each job its answer, matched by id. A request without an answer may have been carried out."""
        by_id = {str(i): job for i, job in enumerate(jobs)}
        responses = document.get("responses") if isinstance(document, dict) else None
        for response in responses if isinstance(responses, list) else ():
            if not isinstance(response, dict):
                continue
            job, status = by_id.get(str(response.get("id"))), response.get("status")
            if job is None or not isinstance(status, int):
                continue
            body = response.get("body")
            refused = classify(status, body, response.get("headers"))
            if refused is None:
                job.settle(body if isinstance(body, dict) else {})
                continue
            job.settle(refused)
            if refused.kind is RefusalKind.THROTTLED and job.request.mailbox is not None:
                # Usage goes on counting while throttled (graph.md 7.1): what still waits for this mailbox is not sent.
                _settle_all(self._lines.get(job.request.mailbox, ()), refused)
        _settle_all(jobs, _lost())


def _settle_all(jobs: Iterable[_Job], answer: Refusal | ClawbackError) -> None:
    for job in jobs:
        job.settle(answer)


def _not_sent(error: ClawbackError) -> Refusal:
    return Refusal(RefusalKind.TRANSIENT, "NotSent", 0, getattr(error, "retry_after", None))


def _lost() -> Refusal:
    return Refusal(RefusalKind.TRANSIENT, "NoAnswer", 0)


def _rows(answer: Answer[Document]) -> Answer[list[Document]]:
    """The rows of a page."""
    if isinstance(answer, Refusal):
        return answer
    rows = answer.get("value")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return UNEXPECTED
    return rows

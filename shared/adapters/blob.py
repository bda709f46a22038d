"""Azure Blob Storage: the only place that knows azure-storage-blob."""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import datetime

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.storage.blob import ContentSettings, StorageErrorCode
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from shared.adapters.storage import RETRIES, translate_errors
from shared.domain.alert import RawPayload
from shared.errors import NotFoundError
from shared.names import DEAD_LETTER_CONTAINER, EVIDENCE_CONTAINER, RAW_CONTAINER, Stage
from shared.ports.dead_letters import DeadLetter
from shared.ports.health import Probe, look

# What senders posted, and what we could not read of it: the only paths that the web app writes.
_RAW = ("raw/", "rejected/")

# Bytes.
_PIECE = 1024 * 1024

# The name of a blob that never exists, for tests of rights.
_ABSENT = "health/absent"
_NO_ETAG = '"0x0"'


class BlobEvidence:
    """`EvidenceStore`: raw payloads in one container, everything else in another."""

    def __init__(self, url: str, credential: AsyncTokenCredential) -> None:
        self._service = BlobServiceClient(url, credential=credential, **RETRIES)
        self._containers: dict[str, ContainerClient] = {}

    async def keep(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> RawPayload:
        """See `EvidenceStore.keep`."""
        settings = ContentSettings(content_type=content_type)
        try:
            with translate_errors("keep evidence"):
                await self._container(path).upload_blob(
                    path,
                    content,
                    content_settings=settings,
                    # If-None-Match: *
                    match_condition=MatchConditions.IfMissing,
                )
        except (ResourceExistsError, ResourceModifiedError):
            content = await self.read(path)
        return RawPayload(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    async def once(self, path: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """See `EvidenceStore.once`."""
        try:
            return await self.read(path)
        except NotFoundError:
            content = await make()
        kept = await self.keep(path, content, "application/json")
        return content if kept.sha256 == hashlib.sha256(content).hexdigest() else await self.read(path)

    async def keep_lines(self, path: str, lines: Iterable[bytes]) -> None:
        """See `EvidenceStore.keep_lines`."""
        settings = ContentSettings(content_type="application/jsonl")
        try:
            with translate_errors("keep evidence"):
                # Blocks of 4 MB, put together at the end on the condition that nothing is there.
                await self._container(path).upload_blob(
                    path, _blocks(lines), content_settings=settings, match_condition=MatchConditions.IfMissing
                )
        except (ResourceExistsError, ResourceModifiedError):
            return

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """See `EvidenceStore.lines`."""
        with translate_errors("read evidence"):
            download = await self._container(path).download_blob(path)
            rest = b""
            async for part in download.chunks():
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    yield line + b"\n"
            if rest:
                yield rest

    async def read(self, path: str) -> bytes:
        """See `EvidenceStore.read`."""
        with translate_errors("read evidence"):
            download = await self._container(path).download_blob(path)
            return await download.readall()

    async def names(self, folder: str) -> AsyncIterator[str]:
        """See `EvidenceStore.names`."""
        with translate_errors("list evidence"):
            async for name in self._container(folder).list_blob_names(name_starts_with=folder):
                yield name

    async def probe(self) -> list[Probe]:
        """See `EvidenceStore.probe`."""
        return [
            await look(f"container {name}: read", _read_nothing(self._service.get_container_client(name)))
            for name in (RAW_CONTAINER, EVIDENCE_CONTAINER)
        ]

    async def close(self) -> None:
        """Give the connections back."""
        await self._service.close()

    def _container(self, path: str) -> ContainerClient:
        name = RAW_CONTAINER if path.startswith(_RAW) else EVIDENCE_CONTAINER
        if name not in self._containers:
            self._containers[name] = self._service.get_container_client(name)
        return self._containers[name]


class BlobDeadLetters:
    """`DeadLetters`: one blob per message."""

    def __init__(self, url: str, credential: AsyncTokenCredential) -> None:
        self._service = BlobServiceClient(url, credential=credential, **RETRIES)
        self._container = self._service.get_container_client(DEAD_LETTER_CONTAINER)

    async def add(self, stage: Stage, message_id: str, body: bytes, *, reason: str, detail: str, at: datetime) -> None:
        """See `DeadLetters.add`."""
        message = DeadLetter(
            id=f"{stage}-{message_id}",
            stage=stage,
            message_id=message_id,
            body=base64.b64encode(body).decode(),
            reason=reason,
            detail=detail,
            dead_lettered_at=at,
        )
        try:
            with translate_errors("keep a dead letter"):
                await self._container.upload_blob(
                    f"{stage}/{message_id}.json", _bytes(message), match_condition=MatchConditions.IfMissing
                )
        except (ResourceExistsError, ResourceModifiedError):
            # An earlier delivery kept it, and died before the host deleted the message.
            return

    async def all(self) -> AsyncIterator[DeadLetter]:
        """See `DeadLetters.all`."""
        with translate_errors("list dead letters"):
            async for name in self._container.list_blob_names():
                download = await self._container.download_blob(name)
                yield DeadLetter.model_validate_json(await download.readall())

    async def replace(self, message: DeadLetter) -> None:
        """See `DeadLetters.replace`."""
        with translate_errors("replace a dead letter"):
            await self._container.upload_blob(
                f"{message.stage}/{message.message_id}.json", _bytes(message), overwrite=True
            )

    async def probe(self) -> list[Probe]:
        """See `DeadLetters.probe`."""
        return [
            await look(f"container {DEAD_LETTER_CONTAINER}: read", _read_nothing(self._container)),
            await look(f"container {DEAD_LETTER_CONTAINER}: write", _write_nothing(self._container)),
        ]

    async def close(self) -> None:
        """Give the connections back."""
        await self._service.close()


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in pieces of about a megabyte: the SDK copies what it is given once for each piece."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


async def _read_nothing(container: ContainerClient) -> None:
    try:
        with translate_errors("read"):
            await container.download_blob(_ABSENT)
    except NotFoundError as error:
        if getattr(error.__cause__, "error_code", None) == StorageErrorCode.CONTAINER_NOT_FOUND:
            raise


async def _write_nothing(container: ContainerClient) -> None:
    """A write on a condition that no blob fulfils: refused for the condition, after the right to write was checked."""
    try:
        with translate_errors("write"):
            await container.upload_blob(
                _ABSENT, b"", overwrite=True, etag=_NO_ETAG, match_condition=MatchConditions.IfNotModified
            )
    except ResourceModifiedError:
        return


def _bytes(message: DeadLetter) -> bytes:
    return message.model_dump_json(exclude_none=True).encode()

"""Frames between the host and a worker: a JSON header and raw bytes, each with its length in front."""

import asyncio
import json
import socket
import struct
from typing import Any

_LENGTHS = struct.Struct("!II")

Frame = tuple[dict[str, Any], bytes]


def encode(header: dict[str, Any], body: bytes = b"") -> bytes:
    """A frame's bytes."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(head), len(body)) + head + body


async def read(reader: asyncio.StreamReader) -> Frame:
    """The next frame; `asyncio.IncompleteReadError` when the other side is gone."""
    head, body = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    return json.loads(await reader.readexactly(head)), await reader.readexactly(body)


def receive(connection: socket.socket) -> Frame:
    """As `read`, for a thread that may block; `EOFError` when the other side is gone."""
    head, body = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    return json.loads(_exactly(connection, head)), bytes(_exactly(connection, body))


def _exactly(connection: socket.socket, size: int) -> bytearray:
    got = bytearray()
    while len(got) < size:
        try:
            chunk = connection.recv(size - len(got))
        except OSError as error:
            raise EOFError from error
        if not chunk:
            raise EOFError
        got += chunk
    return got

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.functions_host import wire

FRAMES = st.lists(st.tuples(st.dictionaries(st.text(), st.text() | st.integers()), st.binary()), max_size=5)


@given(FRAMES)
def test_the_host_reads_what_was_encoded(frames: list[tuple[dict[str, Any], bytes]]) -> None:
    async def check() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(wire.encode(header, body) for header, body in frames))
        reader.feed_eof()
        assert [await wire.read(reader) for _ in frames] == frames
        with pytest.raises(asyncio.IncompleteReadError):
            await wire.read(reader)

    asyncio.run(check())


@given(FRAMES)
def test_a_worker_reads_what_was_encoded_and_notices_the_end(frames: list[tuple[dict[str, Any], bytes]]) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(b"".join(wire.encode(header, body) for header, body in frames))
        assert [wire.receive(theirs) for _ in frames] == frames
        with pytest.raises(EOFError):
            wire.receive(theirs)

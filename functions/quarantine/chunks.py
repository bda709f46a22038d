"""The chunks of a case that a command is about."""

from collections.abc import AsyncIterator, Sequence

from functions.quarantine.models import Deps
from shared.domain.ids import ChunkId, IncidentId, TargetId

# An incident can have a thousand chunks; what is held in memory is this many of their ids.
_AT_ONCE = 100


async def chunks_of(
    incident_id: IncidentId, targets: Sequence[TargetId] | None, deps: Deps
) -> AsyncIterator[list[ChunkId]]:
    """The chunks that hold at least one of these targets, some at a time.

    Args:
        incident_id: the case.
        targets: None means all of the case.
        deps: services.
    """
    chunks: list[ChunkId] = []
    if targets is not None:
        chunks = await deps.targets.chunks_with(incident_id, targets)
    else:
        async for chunk in deps.targets.chunks_of(incident_id):
            chunks.append(chunk)
            if len(chunks) == _AT_ONCE:
                yield chunks
                chunks = []
    if chunks:
        yield chunks

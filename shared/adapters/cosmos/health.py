"""Whether the containers are there and may be used, found out without changing a document."""

from collections.abc import Iterable
from contextlib import suppress

from azure.cosmos.aio import ContainerProxy

from shared.adapters.cosmos.database import Database, translate_errors
from shared.errors import NotFoundError
from shared.names import COSMOS_CONTAINERS
from shared.ports.health import Probe, ProbeResult, look

# A document that nobody makes, to ask for what we may do with it.
_NOBODYS = "nobodys"


class CosmosHealth:
    """`Probed` for Cosmos DB.

    Args:
        database: not closed by us.
        keys: the containers, by their keys in names.json.
        writes: whether documents may be changed too.
    """

    def __init__(self, database: Database, keys: Iterable[str], *, writes: bool) -> None:
        self._database = database
        self._keys = tuple(keys)
        self._writes = writes

    async def probe(self) -> list[Probe]:
        """See `Probed.probe`."""
        probes: list[Probe] = []
        for key in self._keys:
            what = f"Cosmos DB container {COSMOS_CONTAINERS[key]}"
            probes.append(await look(f"{what}: read", self._read(key)))
            if self._writes and probes[-1].result is ProbeResult.OK:
                probes.append(await look(f"{what}: write", self._write(key)))
        return probes

    async def _read(self, key: str) -> None:
        container = await self._database.container(key)
        with translate_errors("read the container"):
            await container.read()
        with suppress(NotFoundError), translate_errors("read a document"):
            await container.read_item(_NOBODYS, partition_key=_NOBODYS)

    async def _write(self, key: str) -> None:
        container = await self._database.container(key)
        # To replace what is not there is refused as such only to those who may replace.
        with suppress(NotFoundError), translate_errors("replace a document"):
            await container.replace_item(_NOBODYS, {"id": _NOBODYS, await _partition_key(container): _NOBODYS})


async def _partition_key(container: ContainerProxy) -> str:
    properties = await container.read()
    path: str = properties["partitionKey"]["paths"][0]
    return path.removeprefix("/")

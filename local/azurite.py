"""Azurite, Microsoft's emulator of Storage, for queues and blobs over HTTPS with OAuth.

Azurite checks a token's issuer, audience and times, not its signature, and no rights (its README says so):
what an identity may do in Storage is not proven by the local cloud.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from local.process import Child, StartError
from local.tls import LocalAuthority

PROGRAM = Path(__file__).parents[1] / "node_modules" / ".bin" / "azurite"
ACCOUNT = "devstoreaccount1"

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (https://\S+)")


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite. `queue_url` and `blob_url` end with the account's name."""

    process: Child
    queue_url: str
    blob_url: str


def start(directory: Path, authority: LocalAuthority, *, keep: bool = False) -> Azurite:
    """Start Azurite on free ports.

    Args:
        directory: its log, and with `keep` its data.
        authority: whose certificate it shows.
        keep: write data to disk. Without, all is in memory: quicker, and gone when it ends.

    Raises:
        StartError: it is not installed (`make setup`), or it did not start.
    """
    if not PROGRAM.exists():
        raise StartError("Azurite is not installed: run `make setup` (or `npm ci`)")
    data = directory / "azurite"
    data.mkdir(parents=True, exist_ok=True)
    process = Child(
        [
            str(PROGRAM),
            *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
            *("--cert", str(authority.certificate), "--key", str(authority.key), "--oauth", "basic"),
            *(("--location", str(data)) if keep else ("--inMemoryPersistence",)),
            # The SDKs are pinned to newer service versions than Azurite knows by name.
            "--skipApiVersionCheck",
            "--disableTelemetry",
            # Without a request log: it would be the largest file of a benchmark.
            "--silent",
        ],
        environment={"PATH": os.environ.get("PATH", ""), "HOME": str(data)},
        log=directory / "azurite.log",
    )
    found: dict[str, str] = {}

    def both(line: str) -> dict[str, str] | None:
        if match := _LISTENING.search(line):
            found[match[1]] = f"{match[2]}/{ACCOUNT}"
        return found if {"Queue", "Blob"} <= found.keys() else None

    try:
        process.wait_for(both)
    except StartError:
        process.kill()
        raise
    return Azurite(process, queue_url=found["Queue"], blob_url=found["Blob"])

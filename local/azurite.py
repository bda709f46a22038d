"""Azurite, Microsoft's emulator of Storage, for queues and blobs over HTTPS with OAuth.

Queues and blobs are two processes: each of them works with one core, and a burst of alerts keeps both busy.
Azurite checks a token's issuer, audience and times, not its signature, and no rights (its README says so):
what an identity may do in Storage is not proven by the local cloud.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from local.process import Child, StartError
from local.tls import LocalAuthority

PROGRAMS = Path(__file__).parents[1] / "node_modules" / ".bin"
ACCOUNT = "devstoreaccount1"

SERVICES = ("queue", "blob")

_LISTENING = re.compile(r"Azurite (?:Blob|Queue) service successfully listens on (https://\S+)")


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite. `queue_url` and `blob_url` end with the account's name."""

    processes: tuple[Child, ...]
    queue_url: str
    blob_url: str


def installed() -> bool:
    """Whether `make setup` has installed it."""
    return all((PROGRAMS / f"azurite-{service}").exists() for service in SERVICES)


def start(
    directory: Path, authority: LocalAuthority, *, keep: bool = False, ports: tuple[int, int] = (0, 0)
) -> Azurite:
    """Start Azurite.

    Args:
        directory: its log, and with `keep` its data.
        authority: whose certificate it shows.
        keep: write data to disk. Without, all is in memory: quicker, and gone when it ends.
        ports: of queues and blobs; 0 means a free one.

    Raises:
        StartError: it is not installed (`make setup`), or it did not start.
    """
    if not installed():
        raise StartError("Azurite is not installed: run `make setup` (or `npm ci`)")
    queue, blob = (
        _start(service, port, directory, authority, keep=keep) for service, port in zip(SERVICES, ports, strict=True)
    )
    try:
        queue_url, blob_url = (f"{process.wait_for(_address)}/{ACCOUNT}" for process in (queue, blob))
    except StartError:
        queue.kill()
        blob.kill()
        raise
    return Azurite((queue, blob), queue_url, blob_url)


def _start(service: str, port: int, directory: Path, authority: LocalAuthority, *, keep: bool) -> Child:
    data = directory / "azurite"
    data.mkdir(parents=True, exist_ok=True)
    return Child(
        [
            str(PROGRAMS / f"azurite-{service}"),
            *(f"--{service}Port", str(port)),
            *("--cert", str(authority.certificate), "--key", str(authority.key), "--oauth", "basic"),
            *(("--location", str(data)) if keep else ("--inMemoryPersistence",)),
            # The SDKs are pinned to newer service versions than Azurite knows by name.
            "--skipApiVersionCheck",
            "--disableTelemetry",
            # Without a request log: it would be the largest file of a benchmark.
            "--silent",
        ],
        environment={"PATH": os.environ.get("PATH", ""), "HOME": str(data)},
        log=directory / f"azurite-{service}.log",
    )


def _address(line: str) -> str | None:
    match = _LISTENING.search(line)
    return match[1] if match else None

"""Files and folders that only their owner can read, from the moment that they are made."""

import os
import secrets
from pathlib import Path
from typing import BinaryIO

OTHERS = 0o077
"""The permission bits of everybody but the owner; also the umask of processes whose files hold secrets."""


def make_directory(path: Path) -> Path:
    """Make `path` and its parents; nobody else can enter `path` then, also if it was there before.

    Raises:
        PermissionError: it belongs to another user.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write(path: Path, content: str) -> None:
    """Write a whole file. One that is there is replaced, not changed: somebody may have it open."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def open_log(path: Path) -> BinaryIO:
    """Open a file to be appended to. One that others can read is begun anew."""
    if path.exists() and path.stat().st_mode & OTHERS:
        path.unlink()
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

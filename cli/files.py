"""Files that commands write, and long output."""

import sys
from collections.abc import Iterable
from pathlib import Path

from cli.errors import CommandError


def write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file in UTF-8, and its folder if it is missing. A file that could not be finished does not appear.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            # A device or a pipe: it must be written to, and must not be replaced by a file.
            _fill(path, pieces)
            return
        part = path.with_name(f"{path.name}.part")
        try:
            _fill(part, pieces)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or 'not a file name'}") from None


def write_to_stdout(pieces: Iterable[str]) -> None:
    """Write text in UTF-8 with its line ends as they are, whatever the code page of standard output is."""
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _fill(path: Path, pieces: Iterable[str]) -> None:
    # Line ends stay as they are: the API's CSV has those of RFC 4180.
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)

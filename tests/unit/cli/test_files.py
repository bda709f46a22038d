import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.files import write


def test_the_folder_is_made_and_line_ends_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "new" / "activity.csv"
    write(out, ["a\r\n", "é\r\n"])
    assert out.read_bytes() == "a\r\né\r\n".encode()
    assert list(out.parent.iterdir()) == [out]


def test_a_file_that_could_not_be_finished_does_not_appear(tmp_path: Path) -> None:
    def failing() -> Iterator[str]:
        yield "half"
        raise CommandError("the API is gone")

    out = tmp_path / "activity.csv"
    out.write_text("the old one")
    with pytest.raises(CommandError, match="gone"):
        write(out, failing())
    assert out.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [out]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, ["through"])
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["", "file/below", "n" * 300, "\0"])
def test_a_wrong_path_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError):
        write(tmp_path / name, ["text"])

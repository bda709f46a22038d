import json
import socket
from pathlib import Path

import pytest

from cli.api import LOCAL, REFUSED
from cli.dev.local_up import _answers
from cli.main import main
from local.stack import API_FILE


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A local cloud that is up, as far as another process can see."""
    monkeypatch.chdir(tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    LOCAL.mkdir(parents=True)
    (LOCAL / API_FILE).write_text(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}", "key": "k"}))
    return listening


def test_a_second_one_does_not_take_the_first_ones_place(
    taken: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    with taken:
        assert main(["local", "up"]) == REFUSED
    assert "already" in capsys.readouterr().err
    assert (LOCAL / API_FILE).exists()


def test_what_a_killed_one_left_is_in_nobodys_way(taken: socket.socket) -> None:
    taken.close()
    assert _answers() is None


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("left", ["", "{}", '{"url": "no address"}', '{"url": "http://127.0.0.1:99999"}'])
def test_nor_is_what_it_wrote_half(taken: socket.socket, left: str) -> None:
    taken.close()
    (LOCAL / API_FILE).write_text(left)
    assert _answers() is None

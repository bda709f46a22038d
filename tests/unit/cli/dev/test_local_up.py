import json
import socket
from pathlib import Path

import pytest

from cli.dev.local_up import running
from cli.errors import REFUSED, USAGE
from cli.local_cloud import STATE
from cli.main import main


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """What another process sees of a local cloud that runs."""
    monkeypatch.chdir(tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    STATE.parent.mkdir(parents=True)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    STATE.write_text(json.dumps({"url": url, "key": "k", "ca": "", "webhookSecrets": {}, "settings": {}}))
    return listening


def test_a_second_one_in_the_same_folder_is_refused(taken: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    with taken:
        assert main(["local", "up"]) == REFUSED
    assert "already" in capsys.readouterr().err
    assert STATE.exists()


def test_the_file_of_a_killed_one_is_ignored(taken: socket.socket) -> None:
    taken.close()
    assert running() is None


@pytest.mark.parametrize("url", [None, "no address", "http://127.0.0.1:99999", "http://[::1"])
def test_a_damaged_file_is_ignored(taken: socket.socket, url: str | None) -> None:
    taken.close()
    state = {"key": "k", "ca": "", "webhookSecrets": {}, "settings": {}}
    STATE.write_text(json.dumps({**state, "url": url} if url else state))
    assert running() is None


def test_an_unknown_scenario_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["local", "up", "--scenario", "unknown"]) == USAGE
    assert "there are: crash, phishing" in capsys.readouterr().err

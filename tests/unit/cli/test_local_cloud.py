import json
import os
from pathlib import Path

import pytest

from cli import local_cloud
from cli.errors import USAGE, CommandError
from local.stack import API_FILE

WHOLE = {
    "url": "http://127.0.0.1:1",
    "key": "k",
    "ca": "/state/ca.pem",
    "webhookSecrets": {"clawback": "s3cret"},
    "settings": {"CLAWBACK_ROLE": "pipeline", "LD_PRELOAD": "/state/evil.so"},
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    local_cloud.DIRECTORY.mkdir(parents=True)


def test_the_local_cloud_writes_the_file_that_is_read() -> None:
    assert local_cloud.STATE.name == API_FILE


def test_everything_is_in_one_file() -> None:
    local_cloud.STATE.write_text(json.dumps({**WHOLE, "more": "of a newer version"}))
    found = local_cloud.read()
    assert (found.url, found.key, found.ca) == ("http://127.0.0.1:1", "k", "/state/ca.pem")
    assert found.webhook_secrets == {"clawback": "s3cret"}


def test_only_app_settings_are_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLAWBACK_ROLE", "SSL_CERT_FILE", "LD_PRELOAD"):
        monkeypatch.setenv(name, "before")
    local_cloud.STATE.write_text(json.dumps(WHOLE))
    local_cloud.read().use_settings()
    assert (os.environ["CLAWBACK_ROLE"], os.environ["SSL_CERT_FILE"]) == ("pipeline", "/state/ca.pem")
    assert os.environ["LD_PRELOAD"] == "before"


def test_without_the_file_no_local_cloud_runs() -> None:
    with pytest.raises(CommandError, match="local up") as failed:
        local_cloud.read()
    assert failed.value.status == USAGE


@pytest.mark.parametrize("text", ["", "[]", "{}", '"text"', json.dumps({**WHOLE, "settings": []}), '{"url": "http'])
def test_a_damaged_file_is_reported(text: str) -> None:
    local_cloud.STATE.write_text(text)
    with pytest.raises(CommandError, match="damaged") as failed:
        local_cloud.read()
    assert failed.value.status == USAGE

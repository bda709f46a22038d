import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.stub_api import StubApi


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StubApi]:
    made = StubApi()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("CLAWBACK_API_URL", made.url)
    monkeypatch.setenv("CLAWBACK_API_KEY", "the key")
    monkeypatch.chdir(tmp_path)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.case_answers import HEADER, INCIDENT, LISTS, TARGETS, answer_list
from tests.unit.cli.stub_api import Answer, StubApi


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


@pytest.fixture
def api(stub: StubApi) -> StubApi:
    stub.answers["/api/incidents/incident-1?top=1"] = Answer.json(
        {
            "incident": HEADER,
            "counts": INCIDENT["counts"],
            "canBePutBack": 2,
            "targets": TARGETS[:1],
            "tree": [],
            "next": "?after=x",
        }
    )
    for name in LISTS:
        answer_list(stub, name, INCIDENT[name])
    stub.answers["/api/incidents/incident-1?top=1000"] = Answer.json({"targets": TARGETS})
    stub.answers["/api/incidents/incident-1/verify-chain"] = Answer.json({"intact": True, "chain": {"entries": 0}})
    stub.answers["/api/incidents/incident-1/activity.csv"] = Answer(b'"recipient"\r\n"ada"\r\n')
    for name in ("approve", "undo", "look-again", "close"):
        stub.answers[f"/api/incidents/incident-1/{name}"] = Answer.json({"commandId": f"cmd-{name}"}, 202)
    return stub

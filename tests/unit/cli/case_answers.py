"""A case as the API answers it, for the tests of the command line."""

import json
from typing import Any

import pytest

from tests.unit.cli.stub_api import Answer, StubApi

INCIDENT: dict[str, Any] = {
    "id": "incident-1",
    "state": "awaiting_approval",
    "openedAt": "2026-03-02T09:00:00Z",
    "title": "Pay \x1b[2J\u202enow",
    "alerts": [
        {"id": "alert-1", "source": "clawback", "severity": "high"},
        {"id": "alert-2", "source": "clawback", "severity": "low", "decision": {"action": "automatic", "rule": "all"}},
    ],
    "plans": [
        {"id": "plan-1", "hash": "h1", "targets": 2, "state": "finished"},
        {
            "id": "plan-2",
            "hash": "h2",
            "targets": 3,
            "state": "awaiting_approval",
            "approvalReasons": ["too many"],
            "notes": ["no trace"],
            "undone": [{"text": f"undone by A\x1b[2Jnn at 9 in inc-2 (mistake) because \u202e{'long ' * 30}"}],
        },
    ],
    "counts": {"states": {"quarantined": 2}},
    "messages": [{"internetMessageId": "<1@evil.example>", "sender": "ceo@evil.example", "subject": "Pay\x1b[2J"}]
    + [{"networkMessageId": str(number)} for number in range(11)],
    "commands": [{"id": "cmd-1", "command": "undo", "by": "Sam", "at": "2026-03-02T10:00:00Z", "reason": "a mistake"}],
}


LISTS = ("alerts", "messages", "plans", "commands")


HEADER = {**{name: value for name, value in INCIDENT.items() if name not in LISTS}, "alerts": 2, "targets": 5}


TARGETS = [
    {
        "id": f"target-{name}",
        "mailbox": {"address": f"{name}@contoso.example"},
        "hops": [{"via": "alert", "name": "clawback"}],
        "state": "quarantined",
    }
    for name in ("ada", "bob")
]


def answer_list(stub: StubApi, name: str, documents: list[dict[str, Any]]) -> None:
    stub.answers[f"/api/incidents/incident-1/lists/{name}?top=500"] = Answer.json({name: documents})


def printed_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)

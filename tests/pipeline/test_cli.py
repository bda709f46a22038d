"""The command line against a whole local cloud: a plan that waits for a person; messages that could not be handled."""

import base64
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from cli import local_cloud
from cli.access import Access
from cli.api import Api
from cli.errors import CommandError
from cli.main import main
from local import azurite
from local.cloud import _Token, default_tenant
from local.emulators.graph import model
from local.stack import Stack
from shared.domain.alert import alert_id
from shared.domain.ids import IncidentId
from shared.names import POISON_SUFFIX, QUEUES, RAW_CONTAINER, SOURCES, Stage
from shared.pipeline.envelope import new_envelope
from shared.pipeline.payloads import EnrichAlerts, IngestAlert
from tests.pipeline.polling import wait
from tests.unit.local.test_cloud import _token

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cli")]

POLICY = "version: 1\nrules: [{ name: a person decides, then: needs_approval }]\nlimits: { mailbox_share: 1.0 }\n"
LURE = "<lure@evil.example>"
DELIVERED = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ADA, BEN = "ada@contoso.example", "ben@contoso.example"
BAD = "bad@evil.example"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two people have the lure, in different folders, and an ordinary mail each."""
    if not azurite.installed():
        pytest.skip("Azurite is not installed: run `make setup`")
    directory, empty = tmp_path_factory.mktemp("cli"), default_tenant()
    sender, to = model.Address(BAD), (model.Address(ADA), model.Address(BEN))
    ordinary = model.Message("<lunch@contoso.example>", "Lunch", model.Address(BEN), to, DELIVERED)
    mailboxes = tuple(
        replace(box, messages=(ordinary, model.Message(LURE, "Invoice", sender, to, DELIVERED, folder=folder)))
        for box, folder in zip(empty.mailboxes, ("Archive", "Junk Email"), strict=True)
    )
    model.dump(replace(empty, mailboxes=mailboxes), directory / "tenant.json")
    (directory / "policy.yaml").write_text(POLICY)
    settings = {"CLAWBACK_POLICY_PATH": str(directory / "policy.yaml")}
    # Where `clawback dead-letter`, which asks the services and not the API, looks for a local cloud.
    with Stack(directory / "out" / "local", tenant=directory / "tenant.json", settings=settings) as running:
        yield running


@pytest.fixture
def clawback(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command; what it says as JSON."""

    def run(*arguments: str, status: int = 0) -> Any:
        where = [] if arguments[0] == "dead-letter" else ["--url", stack.url, "--key", stack.key]
        got = main([*arguments, "--json", *where])
        captured = capsys.readouterr()
        assert got == status, captured.err
        return json.loads(captured.out if status == 0 else captured.err)

    monkeypatch.chdir(stack.cloud.directory.parents[1])
    # `dead-letter` takes over the app's settings, for the rest of the process.
    apps = ("CLAWBACK_", "PipelineStorage__", "IDENTITY_")
    with patch.dict(os.environ, {k: v for k, v in os.environ.items() if not k.startswith(apps)}, clear=True):
        # The SDKs' HTTP client is loaded already: in this process it would not read SSL_CERT_FILE any more.
        stack.cloud.authority.trust_in_this_process()
        yield run


def alert(vendor_id: str, message_id: str) -> bytes:
    """What the policy of the package would pull by itself."""
    known = {"sender": "bad@evil.example", "receivedAt": DELIVERED.isoformat()}
    message = {"internetMessageId": message_id, **known, "recipients": [ADA, BEN]}
    about = {"version": 1, "id": vendor_id, "threatType": "phish", "severity": "high"}
    return json.dumps({**about, "messages": [message]}).encode()


def incidents(clawback: Run, ours: str) -> list[dict[str, Any]]:
    """Those that this alert is in."""
    listed = clawback("incident", "list")["incidents"]
    shown = [clawback("incident", "show", one["id"]) for one in listed]
    return [one for one in shown if ours in {link["id"] for link in one["alerts"]}]


def mailboxes(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """What they really hold, asked of the local Graph."""
    return {address: stack.graph(f"mailboxes/{address}/items")["items"] for address in (ADA, BEN)}


def folders(stack: Stack) -> list[list[str]]:
    return [sorted(item["folder"] for item in items) for items in mailboxes(stack).values()]


def test_pulling_is_paused_and_resumed(clawback: Run) -> None:
    assert clawback("pause", "--show") == {"paused": False, "changes": []}
    told = [clawback(command, "--by", "Sam", "--reason", f"to {command}") for command in ("pause", "resume")]
    assert [one["paused"] for one in told] == [True, False]
    changes = clawback("pause", "--show")["changes"]
    assert [(one["by"], one["reason"], one["paused"]) for one in changes] == [
        ("Sam", "to resume", False),
        ("Sam", "to pause", True),
    ]


def test_nothing_is_pulled_before_a_person_approves(stack: Stack, clawback: Run, tmp_path: Path) -> None:
    def reaches(state: str, **states: int) -> Any:
        return wait(
            lambda: incidents(clawback, ours),
            lambda found: [(one["incident"]["state"], one["counts"]["states"]) for one in found] == [(state, states)],
        )[0]

    untouched, pulled = mailboxes(stack), "Clawback Quarantine"
    (tmp_path / "alert.json").write_bytes(alert("waits", LURE))
    (ours,) = clawback("alert", "submit", str(tmp_path / "alert.json"))["alertIds"]

    waiting = reaches("awaiting_approval")
    incident, (plan,) = waiting["incident"]["id"], waiting["plans"]
    assert (plan["state"], plan["targets"]) == ("awaiting_approval", 2)
    assert plan["approvalReasons"] == ["rule: a person decides"]
    assert {t["state"] for t in clawback("incident", "show", incident)["targets"]} == {"planned"}

    wrong = {"planId": plan["id"], "planHash": plan["hash"][::-1], "by": "Sam"}
    refused = pytest.raises(CommandError, match=r"not the one that was approved.*urn:clawback:request:")
    with Api(Access(stack.url, stack.key)) as api, refused:
        api.post(f"incidents/{incident}/approve", json.dumps(wrong).encode())
    assert [one["state"] for one in reaches("awaiting_approval")["plans"]] == ["awaiting_approval"]
    assert mailboxes(stack) == untouched

    clawback("approve", incident, "--by", "Sam", "--reason", "seen")
    (finished,) = reaches("contained", quarantined=2)["plans"]
    assert (finished["state"], finished["approvedBy"], finished["hash"]) == ("finished", "Sam", plan["hash"])
    assert folders(stack) == [[pulled, "Inbox"], [pulled, "Inbox"]]
    assert "no plan" in clawback("approve", incident, "--by", "Sam", status=1)["error"]

    undo = ("undo", incident, "--by", "Sam", "--reason", "ours", "--class", "mistake")
    assert "eve@" in clawback(*undo, "--mailbox", "eve@contoso.example", status=1)["error"]
    assert "2 can be put back now, not 3" in clawback(*undo, "--all", "--yes", "3", status=1)["error"]
    clawback(*undo, "--mailbox", ADA.upper())
    reaches("attention", quarantined=1, restored=1)
    assert folders(stack) == [["Archive", "Inbox"], [pulled, "Inbox"]]
    assert mailboxes(stack)[ADA] == untouched[ADA]

    clawback("close", incident, "--by", "Sam", "--reason", "done")
    reaches("closed", quarantined=1, restored=1)
    assert "closed" in clawback("close", incident, "--by", "Sam", status=1)["error"]
    told = wait(lambda: clawback("export", incident), lambda found: found["verification"]["intact"])
    assert told["incident"]["closedBy"] == "Sam"
    assert {t["mailbox"]["address"]: t["state"] for t in told["targets"]} == {ADA: "restored", BEN: "quarantined"}

    # What is left in the hidden folder is put back by mailbox, also after the end of the case, and told there.
    assert clawback("hidden", "list", "--mailbox", ADA)["items"] == []
    (hidden,) = clawback("hidden", "list", "--mailbox", BEN.upper())["items"]
    assert clawback("hidden", "list", "--incident", incident)["items"] == [hidden]
    assert [(o["incidentId"], o["state"], o["folder"]) for o in hidden["owners"]] == [
        (incident, "quarantined", "Junk Email")
    ]
    restore = ("hidden", "restore", "--mailbox", BEN, "--by", "Sam", "--reason", "harmless")
    assert "there are 1 mails now" in clawback(*restore, "--all", "2", status=1)["error"]
    assert [one["result"] for one in clawback(*restore, "--all", "1")["restored"]] == ["asked"]
    reaches("closed", restored=2)
    assert mailboxes(stack) == untouched
    asked = {(one["command"], one["by"], one["reason"]) for one in clawback("incident", "show", incident)["commands"]}
    assert ("restore_hidden", "Sam", "harmless") in asked


def test_the_state_file_has_all_that_commands_need_and_only_its_owner_reads_it(stack: Stack, clawback: Run) -> None:
    assert stat.S_IMODE(local_cloud.STATE.stat().st_mode) == 0o600
    found = local_cloud.read()
    assert (found.url, found.key, found.ca) == (stack.url, stack.key, stack.cloud.state.ca)
    assert set(found.webhook_secrets) == set(SOURCES)
    assert found.settings["PipelineStorage__blobServiceUri"] == stack.cloud.state.blob_url


def dead_letters(clawback: Run, text: str) -> list[dict[str, Any]]:
    """What is dead-lettered under this id, or has it in its body."""
    return [
        one for one in clawback("dead-letter", "list") if text in one["id"] + base64.b64decode(one["body"]).decode()
    ]


def put(stack: Stack, queue: str, text: str) -> str:
    """Send to the queue what somebody else might; the id that the queue gives it."""
    credential, ca = _Token(_token(stack.cloud, "pipeline")), stack.cloud.state.ca
    with QueueServiceClient(stack.cloud.state.queue_url, credential=credential, connection_verify=ca) as queues:
        sent = queues.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy()).send_message(text)
    return str(sent.id)


def test_a_replayed_message_that_still_fails_is_dead_lettered_again(stack: Stack, clawback: Run) -> None:
    payload = {"kind": "enrich_alerts", "incidentIds": "somebody@contoso.example"}
    sound = EnrichAlerts(incident_id=IncidentId("incident-1"))
    envelope = new_envelope(sound, correlation_id="poison", now=DELIVERED).model_copy(update={"payload": payload})
    key = f"enrich-{put(stack, QUEUES[Stage.ENRICH], envelope.model_dump_json())}"
    (first,) = wait(lambda: dead_letters(clawback, envelope.id))
    assert (first["id"], first["reason"], first["detail"]) == (key, "payload", "incidentId: missing")
    assert clawback("dead-letter", "replay", key) == {"replayed": key}
    # The queue gave it a new id, and so has what is dead-lettered now. What was replayed stays, and says so.
    found = wait(lambda: dead_letters(clawback, envelope.id), lambda found: len(found) == 2)
    old, new = sorted(found, key=lambda one: one["id"] != key)
    assert old == {**first, "replayedAt": old["replayedAt"]}
    assert (new["stage"], new["reason"], new["detail"]) == ("enrich", "payload", "incidentId: missing")
    assert "replayedAt" not in {*first, *new}


def test_only_messages_of_clawback_are_replayed(stack: Stack, clawback: Run) -> None:
    body = alert("mended", "<mended@evil.example>")
    evidence = f"raw/clawback/2026-11-24/{hashlib.sha256(body).hexdigest()}.json"
    message = IngestAlert(source="clawback", payload_path=evidence, received_at=DELIVERED)
    text = new_envelope(message, correlation_id="mended", now=DELIVERED).model_dump_json()
    # As if the host had given up on it, which takes it two minutes.
    key = f"ingest_alert-{put(stack, QUEUES[Stage.INGEST_ALERT] + POISON_SUFFIX, text)}"
    assert wait(lambda: dead_letters(clawback, key))[0]["reason"] == "poison"
    credential, ca = _Token(_token(stack.cloud, "pipeline")), stack.cloud.state.ca
    with BlobServiceClient(stack.cloud.state.blob_url, credential=credential, connection_verify=ca) as blobs:
        blobs.get_blob_client(RAW_CONTAINER, evidence).upload_blob(body)
    clawback("dead-letter", "replay", key)
    wait(lambda: incidents(clawback, alert_id("clawback", "mended")))
    assert "replayedAt" in dead_letters(clawback, key)[0]

    key = f"report-{put(stack, QUEUES[Stage.REPORT], 'not ours')}"
    assert wait(lambda: dead_letters(clawback, key))[0]["reason"] == "envelope"
    assert "not a message of Clawback" in clawback("dead-letter", "replay", key, status=1)["error"]
    assert "replayedAt" not in dead_letters(clawback, key)[0]

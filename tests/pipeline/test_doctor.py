"""`clawback doctor` on the local cloud: nothing on a sound one, and each planted fault by its name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

import local.cloud
from cli import main as cli
from local import azurite
from local.cloud import _Token
from local.emulators.graph import model
from local.stack import Stack
from tests.unit.local.test_cloud import _token
from tools.deployment import Deployment
from tools.grants import COSMOS, GRAPH, grants_of

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("doctor")]

# Seconds. A message that comes ends the wait, which so may be long; where one is lost, the others still have to come.
ALL_COME, LOST = 120.0, 25.0

READABLE, SHUT = "ada@contoso.example", "ben@contoso.example"


def tenant(path: Path) -> Path:
    """Two mailboxes, one of them out of what Exchange lets pipeline reach."""
    made = local.cloud.default_tenant()
    ada, ben = made.mailboxes
    shut = model.Mailbox(ben.user_id, in_scope=False)
    model.dump(model.Tenant(made.id, made.display_name, made.domain, users=made.users, mailboxes=(ada, shut)), path)
    return path


def examine(
    stack: Stack, capsys: pytest.CaptureFixture[str], *options: str, wait: float = ALL_COME
) -> tuple[int, set[str]]:
    """The exit status, and the names of what is not well. Each of those says how to fix it."""
    capsys.readouterr()
    status = cli.main(["doctor", "--json", "--url", stack.url, "--key", stack.key, "--wait", str(wait), *options])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    ill = [finding for finding in told["findings"] if not finding["ok"]]
    assert all(finding["fix"] for finding in ill)
    assert told["ok"] is (status == 0) is (not ill)
    return status, {finding["name"] for finding in ill}


@pytest.fixture(scope="module", autouse=True)
def _azurite() -> None:
    if not azurite.installed():
        pytest.skip("Azurite is not installed: run `make setup`")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("doctor")
    with Stack(folder / "cloud", tenant=tenant(folder / "tenant.json")) as running:
        yield running


def test_a_sound_cloud_has_nothing_to_mend(sound: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(sound, capsys, "--mailbox", READABLE, "--outside", SHUT) == (0, set())


def test_a_person_reads_that_all_is_well(sound: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--url", sound.url, "--key", sound.key]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("All ")


def test_who_is_in_scope_and_who_is_not(sound: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--mailbox", SHUT, "--outside", READABLE, "--mailbox", "nobody@contoso.example")
    assert examine(sound, capsys, *asked) == (
        1,
        {
            f"pipeline: mailbox {SHUT}",
            f"pipeline: mailbox {READABLE} (outside)",
            "pipeline: mailbox nobody@contoso.example",
        },
    )


@pytest.mark.parametrize(
    ("queue", "found", "wait"),
    [
        ("enrich", {"pipeline: queue enrich", "messages: round"}, LOST),
        ("report-poison", {"pipeline: queue report-poison"}, ALL_COME),
    ],
)
def test_a_missing_queue(
    sound: Stack, capsys: pytest.CaptureFixture[str], queue: str, found: set[str], wait: float
) -> None:
    state = sound.cloud.state
    credential = _Token(_token(sound.cloud, "pipeline"))
    with QueueServiceClient(state.queue_url, credential=credential, connection_verify=state.ca) as queues:
        queues.delete_queue(queue)
        try:
            assert examine(sound, capsys, wait=wait) == (1, found)
        finally:
            queues.create_queue(queue)


def test_a_missing_container(sound: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    state = sound.cloud.state
    credential = _Token(_token(sound.cloud, "pipeline"))
    with BlobServiceClient(state.blob_url, credential=credential, connection_verify=state.ca) as blobs:
        blobs.delete_container("dead-letters")
        try:
            ill = {"pipeline: container dead-letters: read", "pipeline: container dead-letters: write"}
            assert examine(sound, capsys) == (1, ill)
        finally:
            blobs.create_container("dead-letters")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A cloud with a fault of each kind that a deployment can have from its beginning."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "policy.yaml").write_text("version: 1\nrules: [{name: all, then: pull}]\n", encoding="utf-8")

    def fewer(app: str, deployment: Deployment) -> dict[str, list[str]]:
        grants = grants_of(app, deployment)
        grants[GRAPH] = [grant for grant in grants[GRAPH] if grant != "OrgContact.Read.All"]
        gone = {"pipeline": ("indicators:items/replace", "campaigns:"), "web": ("targets:",)}[app]
        for resource in COSMOS:
            grants[resource] = [grant for grant in grants[resource] if not grant.startswith(gone)]
        return grants

    settings = {
        "CLAWBACK_POLICY_PATH": str(folder / "policy.yaml"),
        "CLAWBACK_WEBHOOK_SECRETS__proofpoint_tap": "@Microsoft.KeyVault(SecretUri=https://kv.example/secrets/webhook)",
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local.cloud, "grants_of", fewer)
        with Stack(folder / "cloud", settings=settings) as running:
            yield running


def test_a_missing_grant_role_secret_and_a_policy_with_a_mistake(
    faulty: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(faulty, capsys, wait=LOST) == (
        1,
        {
            "pipeline: Graph OrgContact.Read.All",
            "pipeline: Cosmos DB container indicators: write",
            "pipeline: Cosmos DB container campaigns: read",
            "web: Cosmos DB container targets: read",
            "web: webhook secret of proofpoint_tap",
            "pipeline: policy",
            # The stages that read the policy cannot be built.
            "messages: round",
            "messages: web_quarantine",
        },
    )


def test_an_app_that_is_not_there(sound: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline, _ = sound._hosts
    pipeline.kill()
    assert examine(sound, capsys, wait=2) == (
        1,
        {f"messages: {trip}" for trip in ("round", "web_quarantine", "web_report")},
    )


def test_a_wrong_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Stack(tmp_path / "cloud", settings={"CLAWBACK_LEASE_SECONDS": "long"}) as stack:
        status, ill = examine(stack, capsys, wait=2)
    assert status == 1
    assert "web: settings" in ill

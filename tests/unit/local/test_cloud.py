import json
import ssl
import urllib.request
from pathlib import Path

import jwt
import psutil
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import cloud as module
from local.cloud import LocalCloud, default_tenant, read_state
from local.emulators.graph import model
from shared.names import BLOB_CONTAINERS, POISON_SUFFIX, QUEUES, Stage
from shared.settings import SIGN_IN, Settings
from tools.deployment import ENVIRONMENTS, Deployment, DeploymentError
from tools.grants import STORAGE

pytestmark = pytest.mark.cloud


def _token(cloud: LocalCloud, identity: str, resource: str = STORAGE) -> str:
    environment = cloud.environment(identity)
    url = (
        f"{environment['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource={resource}"
        f"&client_id={environment['CLAWBACK_CLIENT_ID']}"
    )
    request = urllib.request.Request(url, headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]})  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return str(json.load(answer)["access_token"])


def test_storage_has_what_the_names_say(local_storage: LocalCloud) -> None:
    credential, ca = module._Token(_token(local_storage, "pipeline")), local_storage.state.ca
    with QueueServiceClient(local_storage.state.queue_url, credential=credential, connection_verify=ca) as queues:
        found = {queue.name for queue in queues.list_queues()}
    assert {name + suffix for name in QUEUES.values() for suffix in ("", POISON_SUFFIX)} <= found
    with BlobServiceClient(local_storage.state.blob_url, credential=credential, connection_verify=ca) as blobs:
        assert set(BLOB_CONTAINERS.values()) <= {container.name for container in blobs.list_containers()}


@pytest.mark.usefixtures("storage_environment")
def test_the_settings_are_complete(local_storage: LocalCloud) -> None:
    settings = Settings()
    assert settings.queue_service == local_storage.state.queue_url
    assert settings.client_id == local_storage.environment()["CLAWBACK_CLIENT_ID"]


def test_only_here_nobody_has_to_sign_in(local_storage: LocalCloud) -> None:
    assert local_storage.environment("web")[SIGN_IN] == "off"
    assert {Deployment.of(name).settings("web")[SIGN_IN] for name in ENVIRONMENTS} == {"required"}


def test_each_app_has_its_own_identity_and_rights(local_storage: LocalCloud) -> None:
    graph = "https://graph.microsoft.com"
    pipeline, web = (
        jwt.decode(_token(local_storage, name, graph), options={"verify_signature": False})
        for name in ("pipeline", "web")
    )
    assert pipeline["oid"] != web["oid"]
    assert "Mail.ReadWrite" in pipeline["roles"]
    assert web["roles"] == []


def test_another_process_finds_the_cloud_by_its_file(local_storage: LocalCloud) -> None:
    assert read_state(local_storage.directory) == local_storage.state
    assert (local_storage.directory / module.STATE_FILE).stat().st_mode & 0o077 == 0


def test_stop_leaves_no_process_and_no_state(tmp_path: Path) -> None:
    cloud = LocalCloud(tmp_path, parts=()).start()
    pids = [child.pid for child in cloud._children.values()]
    inner = [process for pid in pids for process in psutil.Process(pid).children(recursive=True)]
    assert inner
    cloud.stop()
    _, alive = psutil.wait_procs(inner, timeout=60)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path)
    with pytest.raises(RuntimeError):
        cloud.environment()


def test_what_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    for start in range(2):
        with LocalCloud(tmp_path, keep=True, parts=()) as cloud:
            credential = module._Token(_token(cloud, "pipeline"))
            with QueueServiceClient(
                cloud.state.queue_url, credential=credential, connection_verify=cloud.state.ca
            ) as queues:
                queue = queues.get_queue_client(QUEUES[Stage.REPORT])
                assert queue.get_queue_properties().approximate_message_count == start
                queue.send_message("kept")


def test_the_default_tenant_is_valid() -> None:
    model.check(default_tenant())


def test_everything_starts_and_answers(local_cloud: LocalCloud) -> None:
    context = ssl.create_default_context(cafile=local_cloud.state.ca)
    for url in (local_cloud.state.cosmos_url, local_cloud.state.graph_url):
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{url}/_local/stats", headers={"x-local-admin": local_cloud.state.admin_key}
        )
        with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310 - loopback
            assert answer.status == 200


def test_settings_are_those_of_the_templates_and_a_missing_value_is_an_error() -> None:
    run_time_values = {
        name: "here"
        for name, value in Deployment.of("local").settings("web").items()
        if value.startswith("[") and not name.startswith(module._NOT_HERE)
    }
    found = module._settings(Deployment.of("local"), "web", run_time_values)
    assert found["CLAWBACK_ROLE"] == "web"
    assert found["CLAWBACK_WEBHOOK_SECRETS__clawback"] == "here"
    assert "CLAWBACK_GRAPH_URL" not in found

    del run_time_values["CLAWBACK_COSMOS_ENDPOINT"]
    with pytest.raises(DeploymentError, match="CLAWBACK_COSMOS_ENDPOINT"):
        module._settings(Deployment.of("local"), "web", run_time_values)

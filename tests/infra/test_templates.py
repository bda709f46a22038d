"""The templates, judged as what they evaluate to; and the judges, by breaking the templates.

Without a Bicep compiler (../shared/bin, PATH or BICEP) everything that compiles is skipped; the committed snapshots are
judged all the same.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.judges import CONTAINERS, judge
from tests.infra.operations import ROOT
from tools.deployment import ENVIRONMENTS, PLACE, TEMPLATES, Deployment, compiler, permissions

BICEP = compiler()
compiled = pytest.mark.skipif(BICEP is None, reason="no Bicep compiler in ../shared/bin, PATH or BICEP")


def bicep(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BICEP or "", *arguments], capture_output=True, text=True, check=False)


def evaluated(templates: Path, environment: str) -> Deployment | str:
    """The deployment, or what the compiler says against it."""
    params = templates / "params" / f"{environment}.bicepparam"
    snapshot = params.with_suffix(".snapshot.json")
    snapshot.unlink(missing_ok=True)
    ran = bicep("snapshot", str(params), "--mode=overwrite", *PLACE)
    return Deployment.load(snapshot) if snapshot.exists() else ran.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_deployment_is_sound(environment: str) -> None:
    assert judge(Deployment.of(environment)) == []


def test_the_page_for_auditors_is_what_the_templates_grant() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8") == permissions()


def test_two_environments_do_not_collide() -> None:
    kinds = {
        "Microsoft.Storage/storageAccounts",
        "Microsoft.DocumentDB/databaseAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.Web/sites",
    }
    named = [{r["name"] for kind in kinds for r in Deployment.of(e).of_type(kind)} for e in ENVIRONMENTS]
    assert len(set.union(*named)) == sum(map(len, named))


@compiled
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_committed_snapshot_is_what_the_templates_evaluate_to(environment: str) -> None:
    ran = bicep("snapshot", str(TEMPLATES / "params" / f"{environment}.bicepparam"), "--mode=validate", *PLACE)
    assert ran.returncode == 0, f"run `make infra-snapshots` and look at the difference\n{ran.stdout[-2000:]}"


@compiled
@pytest.mark.parametrize("name", ["main.bicep", "graph/main.bicep"])
def test_nothing_is_said_against_the_templates(name: str) -> None:
    ran = bicep("lint", str(TEMPLATES / name))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@compiled
@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.bicep*")), ids=lambda p: str(p.relative_to(TEMPLATES)))
def test_formatted(path: Path, tmp_path: Path) -> None:
    if path.name == "bicepconfig.json" or path.suffix not in {".bicep", ".bicepparam"}:
        pytest.skip("not a template")
    shutil.copy(path, tmp_path / path.name)
    shutil.copy(TEMPLATES / "bicepconfig.json", tmp_path)
    assert bicep("format", str(tmp_path / path.name)).returncode == 0
    assert (tmp_path / path.name).read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


def test_the_portal_template_is_current(tmp_path: Path) -> None:
    if BICEP is None:
        pytest.skip("no Bicep compiler in ../shared/bin, PATH or BICEP")
    assert bicep("build", str(TEMPLATES / "main.bicep"), "--outfile", str(tmp_path / "built.json")).returncode == 0
    built = json.loads((tmp_path / "built.json").read_text(encoding="utf-8"))
    committed = json.loads((TEMPLATES / "azuredeploy.json").read_text(encoding="utf-8"))
    assert committed == built, "run `make infra-snapshots`"


@compiled
def test_names_fit_the_longest_environment(tmp_path: Path) -> None:
    templates = _copy(tmp_path)
    params = templates / "params" / "dev.bicepparam"
    params.write_text(params.read_text(encoding="utf-8").replace("'dev'", f"'{'x' * 12}'"), encoding="utf-8")
    deployment = evaluated(templates, "dev")
    assert isinstance(deployment, Deployment), deployment
    assert judge(deployment) == []


# Ways of breaking the templates: the file, what is taken out, what is put in its place, the environment that shows it.
MUTATIONS = [
    ("modules/data-roles.bicep", "queueServices/queues/messages/write", "queueServices/queues/messages/read", "local"),
    ("modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "local"),
    ("modules/storage.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true", "local"),
    ("modules/storage.bicep", "minimumTlsVersion: 'TLS1_2'", "minimumTlsVersion: 'TLS1_0'", "local"),
    ("modules/storage.bicep", "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false", "local"),
    ("modules/storage.bicep", "defaultAction: 'Deny'", "defaultAction: 'Allow'", "local"),
    ("modules/storage.bicep", "isLocalUserEnabled: false", "isLocalUserEnabled: true", "local"),
    ("modules/storage.bicep", "deleteRetentionPolicy: { enabled: true", "deleteRetentionPolicy: { enabled: false",
     "local"),
    ("modules/cosmos.bicep", "disableLocalAuth: true", "disableLocalAuth: false", "local"),
    ("modules/cosmos.bicep", "type: 'Continuous'", "type: 'Periodic'", "local"),
    ("modules/cosmos.bicep", "minimalTlsVersion: 'Tls12'", "minimalTlsVersion: 'Tls'", "local"),
    ("modules/cosmos.bicep", "isVirtualNetworkFilterEnabled: !firewall.closed", "isVirtualNetworkFilterEnabled: false",
     "local"),
    ("modules/cosmos.bicep", "containers/items/create'", "containers/items/*'", "local"),
    ("modules/cosmos.bicep", "roleDefinitionId: reader.id", "roleDefinitionId: writer.id", "local"),
    ("modules/cosmos.bicep", "defaultTtl: container.value.?defaultTtl", "defaultTtl: 3600", "local"),
    ("modules/cosmos.bicep", "paths: container.value.partitionKey", "paths: ['/id']", "local"),
    ("modules/key-vault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false", "local"),
    ("modules/key-vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false", "local"),
    ("modules/cosmos.bicep", "defaultConsistencyLevel: 'Strong'", "defaultConsistencyLevel: 'Session'", "local"),
    ("modules/monitoring.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false", "local"),
    ("modules/function-app.bicep", "httpsOnly: true", "httpsOnly: false", "local"),
    ("modules/function-app.bicep", "properties: { allow: false }", "properties: { allow: true }", "local"),
    ("modules/function-app.bicep", "AzureWebJobsStorage__credential: 'managedidentity'",
     "FUNCTIONS_WORKER_RUNTIME: 'python'", "local"),
    ("modules/private-endpoints.bicep", "for service in services: {", "for service in skip(services, 1): {", "prod"),
    ("modules/alerts.bicep", "roleAssignments/write", "roleAssignments/read", "local"),
    ("modules/alerts.bicep", "actionGroups: [actionGroupId]\n        custom", "actionGroups: []\n        custom",
     "local"),
    ("main.bicep", "'${queue}${names.poisonSuffix}'", "'${queue}-dead'", "local"),
    ("main.bicep", "reachable: false", "reachable: true", "local"),
    ("main.bicep", "stage => names.queues[stage]", "stage => stage", "local"),
    ("main.bicep", "webPrincipalId: identities.outputs.web.principalId\n    firewall",
     "webPrincipalId: identities.outputs.pipeline.principalId\n    firewall", "local"),
    ("main.bicep", "name: names.blobContainers.evidence, pipeline: ['read', 'add'], web: ['read']",
     "name: names.blobContainers.evidence, pipeline: ['read', 'add'], web: ['write']", "local"),
    ("main.bicep", "pipeline: ['read'], web: ['read', 'add']", "pipeline: ['read'], web: ['read', 'write']", "local"),
    ("main.bicep", "CLAWBACK_GRAPH_URL: graphUrl", "CLAWBACK_GRAPH_ENDPOINT: graphUrl", "local"),
    ("main.bicep", "CLAWBACK_CLIENT_ID: identities.outputs.web.clientId", "OTHER: ''", "local"),
    ("main.bicep", "CLAWBACK_ROLE: 'web'", "CLAWBACK_ROLE: 'all'", "local"),
    ("main.bicep", "CLAWBACK_SIGN_IN_MODE: 'required'", "CLAWBACK_SIGN_IN_MODE: 'off'", "local"),
    ("main.bicep", "identity: identities.outputs.web\n", "identity: identities.outputs.pipeline\n", "local"),
    ("main.bicep", "hostStorageName: webHost.outputs.name", "hostStorageName: pipelineHost.outputs.name", "local"),
    ("modules/queries.bicep", "rowsOf(names.events.messageDeadLettered)", "rowsOf('message_parkd')", "local"),
    ("modules/queries.bicep", "name: 'message-dead-lettered'", "name: 'message-lost'", "local"),
    ("modules/queries.bicep", "toint(f.failed)", "toint(f.faild)", "local"),
    ("modules/queries.bicep", "tostring(f.source)", "tostring(f.sauce)", "local"),
    ("modules/workbook.bicep", "timeContextFromParameter: timeRange", "timeContextFromParameter: ''", "local"),
    ("modules/workbook.bicep", "map(figures, (figure, i)", "map(take(figures, 0), (figure, i)", "dev"),
    ("modules/diagnostics.bicep", "category: 'StorageRead', enabled: true", "category: 'StorageRead', enabled: false",
     "local"),
    ("modules/diagnostics.bicep", "for (name, i) in hostStorageNames: {\n    name: 'to",
     "for (name, i) in take(hostStorageNames, 1): {\n    name: 'to", "local"),
    ("modules/diagnostics.bicep", "category: 'AuditEvent', enabled: true", "category: 'AuditEvent', enabled: false",
     "local"),
    ("modules/diagnostics.bicep", "'DataPlaneRequests', enabled: true", "'DataPlaneRequests', enabled: false", "local"),
    ("main.bicep", "uri => '@Microsoft.KeyVault(SecretUri=${uri})'", "uri => uri", "local"),
    ("main.bicep", "? closed\n", "? { closed: false, subnetIds: [], addressRanges: [] }\n", "prod"),
]  # fmt: skip


def _copy(to: Path) -> Path:
    shutil.copytree(TEMPLATES, to / "infra" / "bicep")
    (to / "shared").mkdir()
    shutil.copy(ROOT / "shared" / "names.json", to / "shared")
    return to / "infra" / "bicep"


@compiled
@pytest.mark.parametrize(
    ("name", "old", "new", "environment"), MUTATIONS, ids=[f"{m[0]}:{m[2][:40]}".replace("\n", " ") for m in MUTATIONS]
)
def test_a_broken_template_is_found(name: str, old: str, new: str, environment: str, tmp_path: Path) -> None:
    templates = _copy(tmp_path)
    text = (templates / name).read_text(encoding="utf-8")
    assert old in text, "the mutation no longer fits the template"
    (templates / name).write_text(text.replace(old, new), encoding="utf-8")
    deployment = evaluated(templates, environment)
    assert isinstance(deployment, str) or judge(deployment) != []


def test_every_container_says_what_it_indexes() -> None:
    assert all("indexed" in told for told in CONTAINERS.values())

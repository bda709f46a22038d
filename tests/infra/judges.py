"""What must hold of every evaluated deployment. A judge yields what is wrong; silence is consent."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from shared.names import BLOB_CONTAINERS, COSMOS_CONTAINERS, POISON_SUFFIX, QUEUES, SOURCES, Stage
from shared.settings import Settings
from tests.infra import operations
from tests.infra.operations import ROOT, properties
from tools.deployment import Deployment

CONTAINERS: dict[str, Any] = json.loads((ROOT / "shared" / "names.json").read_text(encoding="utf-8"))[
    "cosmosContainers"
]

Judge = Callable[[Deployment], Iterator[str]]

STORAGE = "Microsoft.Storage/storageAccounts"
COSMOS = "Microsoft.DocumentDB/databaseAccounts"
SITES = "Microsoft.Web/sites"

# Settings for the Functions host and for platform features: the host reads them, our code does not.
HOST_SETTINGS = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PipelineStorage__credential",
    "PipelineStorage__clientId",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
}

# functionAppConfig says these things on Flex Consumption (architecture.md 3.7).
FORBIDDEN_ON_FLEX = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|FUNCTIONS_WORKER_PROCESS_COUNT|WEBSITE_RUN_FROM_PACKAGE"
    r"|WEBSITE_CONTENT.*|WEBSITE_VNET_ROUTE_ALL|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD"
)

# Longest names that Azure takes, for the types whose limit we could meet.
NAME_LIMITS = {
    STORAGE: 24,
    COSMOS: 44,
    SITES: 60,
    "Microsoft.KeyVault/vaults": 24,
    "Microsoft.Network/virtualNetworks": 64,
    "Microsoft.OperationalInsights/workspaces": 63,
    "Microsoft.Web/serverfarms": 60,
}

PIPELINE_ONLY = {
    "CLAWBACK_GRAPH_URL",
    "CLAWBACK_QUARANTINE_FOLDER",
    "CLAWBACK_LEASE_SECONDS",
}
WEB_ONLY = {"CLAWBACK_WEBHOOK_SECRETS", "CLAWBACK_SIGN_IN_MODE"}


def queues_are_those_of_the_code(deployment: Deployment) -> Iterator[str]:
    wanted = {name for queue in QUEUES.values() for name in (queue, queue + POISON_SUFFIX)}
    for name in wanted ^ deployment.queues:
        yield f"queue {name}: {'missing' if name in wanted else 'nobody uses it'}"


def blob_containers_are_those_of_the_code(deployment: Deployment) -> Iterator[str]:
    for name in set(BLOB_CONTAINERS.values()) ^ deployment.blob_containers:
        yield f"blob container {name}: missing, or nobody uses it"


def what_one_instance_wrote_the_next_one_reads(deployment: Deployment) -> Iterator[str]:
    for account in deployment.of_type(COSMOS):
        level = properties(account)["consistencyPolicy"]["defaultConsistencyLevel"]
        if level != "Strong":
            yield f"{account['name']}: {level} consistency"


def cosmos_containers_are_those_of_the_code(deployment: Deployment) -> Iterator[str]:
    for name in set(COSMOS_CONTAINERS.values()) ^ set(deployment.containers):
        yield f"container {name}: missing, or nobody uses it"
    for told in CONTAINERS.values():
        built = deployment.containers.get(told["name"])
        if built is None:
            continue
        if built.partition_key != tuple(told["partitionKey"]):
            yield f"container {built.name}: partition key {built.partition_key}"
        if built.ttl != told.get("defaultTtl"):
            yield f"container {built.name}: time to live {built.ttl}"
        if built.indexed != tuple(told["indexed"]):
            yield f"container {built.name}: indexes {built.indexed}"


def settings_are_those_that_the_code_reads(deployment: Deployment) -> Iterator[str]:
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}
    for app in ("pipeline", "web"):
        given = {
            name.removesuffix(f"__{name.rsplit('__', 1)[-1]}") if "SECRETS__" in name else name
            for name in deployment.settings(app)
        } - HOST_SETTINGS
        wanted = read - (PIPELINE_ONLY if app == "web" else WEB_ONLY)
        for name in given ^ wanted:
            yield f"{app}: setting {name} is {'read by nobody' if name in given else 'missing'}"
        for name in ("PipelineStorage", "AzureWebJobsStorage"):
            identity = deployment.settings(app).get(f"{name}__clientId", "")
            if f"id-clawback-{app}-" not in identity:
                yield f"{app}: {name} is not reached as {app}'s identity"
        if deployment.settings(app).get("CLAWBACK_ROLE") != app:
            yield f"{app}: has the role {deployment.settings(app).get('CLAWBACK_ROLE')}"


def people_have_to_sign_in(deployment: Deployment) -> Iterator[str]:
    if deployment.settings("web").get("CLAWBACK_SIGN_IN_MODE") != "required":
        yield "web: does not ask whether people are signed in"


def sources_have_secrets(deployment: Deployment) -> Iterator[str]:
    for source in SOURCES:
        value = deployment.settings("web").get(f"CLAWBACK_WEBHOOK_SECRETS__{source}", "")
        if "@Microsoft.KeyVault" not in value or source.replace("_", "-") not in value:
            yield f"source {source}: its secret does not come from the vault"


def flex_is_told_nothing_twice(deployment: Deployment) -> Iterator[str]:
    for app in ("pipeline", "web"):
        for name in deployment.settings(app):
            if FORBIDDEN_ON_FLEX.fullmatch(name):
                yield f"{app}: {name} must not be set on Flex Consumption"


def nobody_has_a_key(deployment: Deployment) -> Iterator[str]:
    for account in deployment.of_type(STORAGE):
        about = properties(account)
        if about.get("allowSharedKeyAccess") is not False:
            yield f"{account['name']}: shared keys"
        if about.get("allowBlobPublicAccess") is not False:
            yield f"{account['name']}: public blobs"
        if about.get("isLocalUserEnabled") is not False:
            yield f"{account['name']}: local users"
    for account in deployment.of_type(COSMOS):
        if properties(account).get("disableLocalAuth") is not True:
            yield f"{account['name']}: keys"
    for component in deployment.of_type("Microsoft.Insights/components"):
        if properties(component).get("DisableLocalAuth") is not True:
            yield f"{component['name']}: telemetry from anybody"
    policies = list(deployment.of_type(f"{SITES}/basicPublishingCredentialsPolicies"))
    if len([p for p in policies if properties(p).get("allow") is False]) != 4:
        yield "basic publishing credentials are not all off"
    text = json.dumps(deployment.resources)
    for call in re.findall(r"list(?:Keys|AccountSas|ServiceSas|ConnectionStrings|Secrets)\(|AccountKey=", text):
        yield f"{call} in the deployment"


def transport_is_encrypted(deployment: Deployment) -> Iterator[str]:
    for account in deployment.of_type(STORAGE):
        if properties(account).get("minimumTlsVersion") not in {"TLS1_2", "TLS1_3"}:
            yield f"{account['name']}: old TLS"
        if properties(account).get("supportsHttpsTrafficOnly") is not True:
            yield f"{account['name']}: plain HTTP"
    for account in deployment.of_type(COSMOS):
        if properties(account).get("minimalTlsVersion") != "Tls12":
            yield f"{account['name']}: old TLS"
    for site in deployment.of_type(SITES):
        if (
            properties(site).get("httpsOnly") is not True
            or properties(site)["siteConfig"].get("minTlsVersion") != "1.2"
        ):
            yield f"{site['name']}: plain HTTP or old TLS"


def services_are_firewalled(deployment: Deployment) -> Iterator[str]:
    closed = any(True for _ in deployment.of_type("Microsoft.Network/privateEndpoints"))
    for resource in [
        *deployment.of_type(STORAGE),
        *deployment.of_type(COSMOS),
        *deployment.of_type("Microsoft.KeyVault/vaults"),
    ]:
        about = properties(resource)
        if closed and about.get("publicNetworkAccess") != "Disabled":
            yield f"{resource['name']}: reachable from the internet"
        if resource["type"] != COSMOS and about["networkAcls"].get("defaultAction") != "Deny":
            yield f"{resource['name']}: lets in whoever is not named"
        if resource["type"] == COSMOS and not closed and about.get("isVirtualNetworkFilterEnabled") is not True:
            yield f"{resource['name']}: lets in whoever is not named"
    if closed:
        groups = [
            group
            for pe in deployment.of_type("Microsoft.Network/privateEndpoints")
            for c in properties(pe)["privateLinkServiceConnections"]
            for group in c["properties"]["groupIds"]
        ]
        for group, count in (("blob", 3), ("queue", 3), ("Sql", 1), ("vault", 1)):
            if groups.count(group) != count:
                yield f"private endpoints of {group}: {groups.count(group)}"


def pipeline_cannot_be_reached(deployment: Deployment) -> Iterator[str]:
    for site in deployment.of_type(SITES):
        reachable = properties(site).get("publicNetworkAccess") == "Enabled"
        if reachable != ("-web-" in site["name"]):
            yield f"{site['name']}: {'reachable' if reachable else 'not reachable'}"


def apps_cannot_become_each_other(deployment: Deployment) -> Iterator[str]:
    for site in deployment.of_type(SITES):
        app = "web" if "-web-" in site["name"] else "pipeline"
        other = {"web": "pipeline", "pipeline": "web"}[app]
        identities = " ".join(site["identity"]["userAssignedIdentities"])
        if f"id-clawback-{app}-" not in identities or f"id-clawback-{other}-" in identities:
            yield f"{site['name']}: has an identity that is not its own"
    owners: dict[str, set[str]] = {}
    for grant in deployment.grants:
        if grant.role == "Storage Blob Data Owner":
            owners.setdefault(grant.scope, set()).add(grant.identity)
    if sorted(map(sorted, owners.values())) != [["pipeline"], ["web"]]:
        yield f"host storage is not owned by one app each: {owners}"
    data = {r["name"].split("/")[0] for r in deployment.of_type(f"{STORAGE}/queueServices/queues")}
    if any(scope.split("/")[-1] in data for scope in owners):
        yield "somebody owns the account that holds queues and evidence"


def rights_are_narrow(deployment: Deployment) -> Iterator[str]:
    for grant in deployment.grants:
        if any("delete" in action or action.endswith("*") for action in grant.actions):
            yield f"{grant.identity}: {grant.role} may delete, or everything"
        if grant.identity == "web" and grant.role in {"Clawback writer", "Storage Queue Data Message Processor"}:
            yield f"web: {grant.role} on {grant.scope}"
        changes = any(action.endswith(("write", "add/action")) for action in grant.actions)
        if grant.identity == "web" and grant.scope.endswith("containers/evidence") and changes:
            yield f"web: {grant.role} on {grant.scope}"
        if grant.identity == "web" and any(action.endswith("blobs/write") for action in grant.actions):
            yield f"web: {grant.role} on {grant.scope} replaces what is there"
        if grant.identity == "web" and grant.scope.endswith("containers/dead-letters"):
            yield f"web: {grant.role} on {grant.scope}"
        if grant.identity == "pipeline" and "KeyVault" in grant.scope:
            yield "pipeline may read webhook secrets"


def listener_may_renew_and_give_back(deployment: Deployment) -> Iterator[str]:
    """Update Message is in none of the built-in roles for receiving and sending."""
    write = "Microsoft.Storage/storageAccounts/queueServices/queues/messages/write"
    may = {g.scope.rsplit("/", 1)[-1] for g in deployment.grants if g.identity == "pipeline" and write in g.actions}
    for queue in deployment.queues - may:
        yield f"queue {queue}: a failed message waits out its lease"


def web_sends_where_its_commands_go(deployment: Deployment) -> Iterator[str]:
    sender = "Storage Queue Data Message Sender"
    given = {g.scope.rsplit("/", 1)[-1] for g in deployment.grants if (g.identity, g.role) == ("web", sender)}
    wanted = {QUEUES[stage] for stage in (Stage.INGEST_ALERT, Stage.QUARANTINE, Stage.REPORT)}
    for queue in given ^ wanted:
        yield f"web: {'may not send' if queue in wanted else 'may send'} to {queue}"


def data_can_be_brought_back(deployment: Deployment) -> Iterator[str]:
    for account in deployment.of_type(COSMOS):
        if properties(account).get("backupPolicy", {}).get("type") != "Continuous":
            yield f"{account['name']}: no continuous backup"
    for service in deployment.of_type(f"{STORAGE}/blobServices"):
        if not properties(service).get("deleteRetentionPolicy", {}).get("enabled"):
            yield f"{service['name']}: deleted blobs are gone"
    for vault in deployment.of_type("Microsoft.KeyVault/vaults"):
        if properties(vault).get("enablePurgeProtection") is not True:
            yield f"{vault['name']}: can be purged"
        if properties(vault).get("enableRbacAuthorization") is not True:
            yield f"{vault['name']}: access policies instead of roles"


def names_fit(deployment: Deployment) -> Iterator[str]:
    for kind, limit in NAME_LIMITS.items():
        for resource in deployment.of_type(kind):
            if len(resource["name"]) > limit:
                yield f"{resource['name']}: longer than {limit}"


JUDGES: tuple[Judge, ...] = (
    queues_are_those_of_the_code,
    blob_containers_are_those_of_the_code,
    what_one_instance_wrote_the_next_one_reads,
    cosmos_containers_are_those_of_the_code,
    settings_are_those_that_the_code_reads,
    people_have_to_sign_in,
    sources_have_secrets,
    flex_is_told_nothing_twice,
    nobody_has_a_key,
    transport_is_encrypted,
    services_are_firewalled,
    pipeline_cannot_be_reached,
    apps_cannot_become_each_other,
    rights_are_narrow,
    listener_may_renew_and_give_back,
    web_sends_where_its_commands_go,
    data_can_be_brought_back,
    names_fit,
    operations.queries_name_events_that_are_emitted,
    operations.every_event_is_asked_for,
    operations.alerts_lead_somewhere,
    operations.role_changes_are_told,
    operations.the_workbook_obeys_its_time_range,
    operations.what_is_done_is_logged,
)


def judge(deployment: Deployment) -> list[str]:
    """Everything that is wrong with it."""
    return [f"{one.__name__}: {finding}" for one in JUDGES for finding in one(deployment)]

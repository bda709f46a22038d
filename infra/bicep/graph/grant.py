#!/usr/bin/env python3
"""Permission to touch mail and sign-in, without the Microsoft Graph extension: what main.bicep does, with `az rest`.

    python3 infra/bicep/graph/grant.py --environment prod --pipeline-principal ID --web-principal ID --web-host HOST
    python3 infra/bicep/graph/grant.py … --apply

Without --apply it only reads, and prints what it would write. Needs Python and Azure CLI, signed in as a Privileged
Role Administrator. Doing it twice changes nothing the second time. Only the standard library is imported.
"""

import argparse
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
URL = "https://graph.microsoft.com/v1.0"
GRAPH_APP = "00000003-0000-0000-c000-000000000000"

# Microsoft's own registration of message trace, which answers nobody in a tenant that has no service principal for it.
MESSAGE_TRACE = "8bd644d1-64a1-4d4b-ae52-2e0cbf64e373"

# Microsoft's own registration of Azure CLI, the same in every tenant.
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

# What the function guid() of ARM templates hashes in, so that the ids are those of main.bicep.
ARM_NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")

# PATCH by a name of our choice makes what is not there yet ("upsert" in Graph's reference).
UPSERT = "Prefer=create-if-missing"


def az(*arguments: str) -> str:
    """What Azure CLI answers. Ends the program with its words if it fails."""
    ran = subprocess.run(["az", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"az {' '.join(arguments[:4])}: {ran.stderr.strip()}")
    return ran.stdout.strip()


def read(path: str) -> Any:
    """The answer to a GET."""
    return json.loads(az("rest", "--method", "get", "--url", URL + path))


class Writer:
    """Sends requests, or only prints them."""

    def __init__(self, *, apply: bool) -> None:
        self.apply = apply

    def send(self, method: str, path: str, body: dict[str, Any], *headers: str) -> None:
        """One request that changes something."""
        print(f"{'' if self.apply else 'would '}{method.upper()} {path}\n  {json.dumps(body)}")
        if self.apply:
            told = ["--headers", "Content-Type=application/json", *headers]
            az("rest", "--method", method, "--url", URL + path, *told, "--body", json.dumps(body))


def grant(writer: Writer, principal: str, permissions: dict[str, Any]) -> None:
    """Give the permissions that are missing; name those that are there and not listed."""
    graph = read(f"/servicePrincipals(appId='{GRAPH_APP}')?$select=id")["id"]
    path = f"/servicePrincipals/{principal}/appRoleAssignments"
    held = {one["appRoleId"]: one["id"] for one in read(path)["value"] if one["resourceId"] == graph}
    for name, about in sorted(permissions.items()):
        if held.pop(about["appRoleId"], None):
            print(f"holds {name}")
            continue
        body = {"principalId": principal, "resourceId": graph, "appRoleId": about["appRoleId"]}
        writer.send("post", path, body)
    writer.send("patch", f"/servicePrincipals(appId='{MESSAGE_TRACE}')", {}, UPSERT)
    for role, assignment in held.items():
        print(f"also holds {role}, which is not listed: az rest --method delete --url '{URL}{path}/{assignment}'")


def sign_in(writer: Writer, environment: str, web_principal: str, web_host: str) -> None:
    """The app registration, vouched for by web's identity, and its service principal."""
    unique = f"clawback-web-{environment}"
    by_name = f"/applications(uniqueName='{unique}')"
    writer.send("patch", by_name, registration(environment, web_host), UPSERT)
    application = read(by_name + "?$select=id,appId") if writer.apply else {"id": "<its id>", "appId": "<its appId>"}
    vouched = f"/applications/{application['id']}/federatedIdentityCredentials(name='web')"
    tenant = az("account", "show", "--query", "tenantId", "--output", "tsv")
    body = {
        "issuer": f"https://login.microsoftonline.com/{tenant}/v2.0",
        "subject": web_principal,
        "audiences": ["api://AzureADTokenExchange"],
    }
    writer.send("patch", vouched, body, UPSERT)
    path = f"/servicePrincipals(appId='{application['appId']}')"
    writer.send("patch", path, {"appRoleAssignmentRequired": True}, UPSERT)
    print(f"signInClientId={application['appId']}")


def registration(environment: str, web_host: str) -> dict[str, Any]:
    """The app registration, as main.bicep has it."""
    roles = json.loads((HERE / "roles.json").read_text(encoding="utf-8"))
    scope = str(uuid.uuid5(ARM_NAMESPACE, f"clawback-{environment}-access"))
    return {
        "displayName": f"Clawback ({environment})",
        "signInAudience": "AzureADMyOrg",
        "web": {
            "redirectUris": [f"https://{web_host}/.auth/login/aad/callback"],
            "implicitGrantSettings": {"enableIdTokenIssuance": True},
        },
        "api": {
            "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [
                {
                    "id": scope,
                    "value": "access",
                    "type": "Admin",
                    "isEnabled": True,
                    "adminConsentDisplayName": "Use Clawback",
                    "adminConsentDescription": "Use Clawback with the roles of the person who is signed in.",
                }
            ],
            "preAuthorizedApplications": [{"appId": AZURE_CLI, "delegatedPermissionIds": [scope]}],
        },
        "appRoles": [
            {
                "id": str(uuid.uuid5(ARM_NAMESPACE, f"clawback-{environment}-{role['value']}")),
                "value": role["value"],
                "displayName": role["value"],
                "description": role["says"],
                "allowedMemberTypes": ["User", "Application"],
                "isEnabled": True,
            }
            for role in roles
        ],
    }


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--environment", required=True, help="as in ../main.bicep")
    parser.add_argument("--pipeline-principal", required=True, help="output pipelinePrincipalId of ../main.bicep")
    parser.add_argument("--web-principal", required=True, help="output webPrincipalId of ../main.bicep")
    parser.add_argument("--web-host", required=True, help="output webHostName of ../main.bicep")
    parser.add_argument("--limited-by-exchange", action="store_true", help="leave out what infra/exchange grants")
    parser.add_argument("--apply", action="store_true", help="write; otherwise only print")
    given = parser.parse_args()
    permissions = json.loads((HERE / "permissions.json").read_text(encoding="utf-8"))["pipeline"]
    if given.limited_by_exchange:
        permissions = {name: about for name, about in permissions.items() if "exchangeRole" not in about}
    writer = Writer(apply=given.apply)
    grant(writer, given.pipeline_principal, permissions)
    sign_in(writer, given.environment, given.web_principal, given.web_host)


if __name__ == "__main__":
    main()

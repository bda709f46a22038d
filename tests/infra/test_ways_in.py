"""The ways in: the portal's form, the script instead of the Graph extension, Exchange's limit, the workflow."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.deployment import PLACE, ROOT, TEMPLATES, compiler

GRAPH = TEMPLATES / "graph"
TENANT = "00000000-0000-0000-0000-00000000000a"
NOBODY = "00000000-0000-0000-0000-000000000000"
RESOURCE = "11111111-0000-0000-0000-000000000000"

# Answers like Graph, and writes down what it was asked to write.
AZ = f"""#!{sys.executable}
import json, os, sys
given = sys.argv[1:]
if given[:2] == ["account", "show"]:
    sys.exit(print({TENANT!r}))
option = lambda name: given[given.index(name) + 1] if name in given else None
method, url = option("--method"), option("--url").removeprefix("https://graph.microsoft.com/v1.0")
if method != "get":
    with open(os.environ["AZ_WROTE"], "a") as wrote:
        wrote.write(json.dumps([method, url, json.loads(option("--body"))]) + "\\n")
elif url.endswith("/appRoleAssignments"):
    held = json.loads(os.environ["AZ_HELD"])
    print(json.dumps({{"value": [{{"id": "a-" + r, "appRoleId": r, "resourceId": {RESOURCE!r}}} for r in held]}}))
else:
    print(json.dumps({{"id": {RESOURCE!r}, "appId": "app-1"}}))
"""

Wrote = list[list[Any]]
Grant = Callable[..., tuple[str, Wrote]]


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def grant(tmp_path: Path) -> Grant:
    """Runs grant.py with an Azure CLI of ours: what it says, and what it writes."""
    (tmp_path / "az").write_text(AZ, encoding="utf-8")
    (tmp_path / "az").chmod(0o755)

    def run(*options: str, held: tuple[str, ...] = ()) -> tuple[str, Wrote]:
        wrote = tmp_path / "wrote"
        wrote.write_text("", encoding="utf-8")
        about = ["--pipeline-principal", NOBODY, "--web-principal", NOBODY, "--web-host", "web.example.com"]
        ran = subprocess.run(
            [sys.executable, str(GRAPH / "grant.py"), "--environment", "dev", *about, *options],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "AZ_WROTE": str(wrote), "AZ_HELD": json.dumps(held)},
        )
        return ran.stdout, [json.loads(line) for line in wrote.read_text(encoding="utf-8").splitlines()]

    return run


def resources(kind: str) -> Iterator[dict[str, Any]]:
    told = loaded(GRAPH / "main.snapshot.json")["predictedResources"]
    return (one["properties"] for one in told if one["type"] == f"Microsoft.Graph/{kind}@v1.0")


def test_the_script_writes_what_the_template_does(grant: Grant) -> None:
    said, wrote = grant("--apply")

    given = [body["appRoleId"] for method, path, body in wrote if path.endswith("/appRoleAssignments")]
    assert sorted(given) == sorted(one["appRoleId"] for one in resources("appRoleAssignedTo"))
    (registration,) = resources("applications")
    unique = registration.pop("uniqueName")
    assert ["patch", f"/applications(uniqueName='{unique}')", registration] in wrote
    (vouched,) = resources("applications/federatedIdentityCredentials")
    (credential,) = (body for _, path, body in wrote if "federatedIdentityCredentials" in path)
    assert credential["subject"] == vouched["subject"]
    assert credential["audiences"] == vouched["audiences"]
    assert credential["issuer"].endswith(f"{TENANT}/v2.0")
    trace, principal = resources("servicePrincipals")
    assert ["patch", f"/servicePrincipals(appId='{trace['appId']}')", {}] in wrote
    assert wrote[-1][2] == {"appRoleAssignmentRequired": principal["appRoleAssignmentRequired"]}
    assert "signInClientId=app-1" in said


def test_the_script_only_reads_unless_it_is_told(grant: Grant) -> None:
    said, wrote = grant()

    assert wrote == []
    assert said.count("would POST") == len(loaded(GRAPH / "permissions.json")["pipeline"])


def test_the_script_grants_nothing_twice_and_names_what_is_too_much(grant: Grant) -> None:
    listed = [about["appRoleId"] for about in loaded(GRAPH / "permissions.json")["pipeline"].values()]

    said, wrote = grant("--apply", held=(*listed, "too-much"))

    assert not [path for method, path, _ in wrote if method == "post"]
    assert "also holds too-much" in said


def test_where_exchange_limits_graph_grants_no_mailbox(grant: Grant) -> None:
    pipeline = loaded(GRAPH / "permissions.json")["pipeline"]
    left = {about["appRoleId"] for about in pipeline.values() if "exchangeRole" not in about}

    _, wrote = grant("--apply", "--limited-by-exchange")

    assert {body["appRoleId"] for method, _, body in wrote if method == "post"} == left
    # Everything that reaches into a mailbox can be limited, and nothing else can.
    limited = {name for name, about in pipeline.items() if "exchangeRole" in about}
    assert limited == {name for name in pipeline if name.startswith("Mail")}


@pytest.mark.skipif(compiler() is None, reason="no Bicep compiler in ../shared/bin, PATH or BICEP")
def test_the_committed_snapshot_of_the_grants_is_current(tmp_path: Path) -> None:
    shutil.copytree(GRAPH, tmp_path / "graph")
    params = tmp_path / "graph" / "main.bicepparam"
    subprocess.run([compiler() or "", "snapshot", str(params), "--mode=overwrite", *PLACE], check=True)

    assert loaded(params.with_suffix(".snapshot.json")) == loaded(GRAPH / "main.snapshot.json")


def test_exchange_is_asked_for_a_dry_run_first() -> None:
    script = (ROOT / "infra" / "exchange" / "limit-to-group.ps1").read_text(encoding="utf-8")

    changing = re.findall(r"^ *New-\w+ .*$", script, flags=re.MULTILINE)
    assert len(changing) == 3
    # The last looks up what the first two make, even with -WhatIf; without -Apply it is only told.
    assert all(line.endswith("@WhatIf") for line in changing[:2])
    assert re.search(r"if \(-not \$Apply\) \{[^}]*\}\s*else \{\s*" + re.escape(changing[2].strip()), script)
    assert "$WhatIf = @{ WhatIf = -not $Apply }" in script
    assert "Test-ServicePrincipalAuthorization" in script
    # The permissions come from the one list; a second one would differ some day.
    assert "Mail.ReadWrite" not in script


FORM = loaded(TEMPLATES / "createUiDefinition.json")["parameters"]
TEMPLATE = loaded(TEMPLATES / "azuredeploy.json")
ELEMENTS = {e["name"]: e for part in ({"elements": FORM["basics"]}, *FORM["steps"]) for e in part["elements"]}


def test_the_form_fills_parameters_that_exist_and_all_that_are_required() -> None:
    wanted = TEMPLATE["parameters"]
    required = {name for name, about in wanted.items() if "defaultValue" not in about and not about.get("nullable")}

    assert required <= set(FORM["outputs"]) <= set(wanted)


def test_the_form_reads_only_what_it_asks_for() -> None:
    steps = {step["name"]: {e["name"] for e in step["elements"]} for step in FORM["steps"]}
    text = json.dumps(FORM)

    read = re.findall(r"steps\('(\w+)'\)\.(\w+)", text)
    assert read
    assert [(step, name) for step, name in read if name not in steps[step]] == []
    basics = {element["name"] for element in FORM["basics"]}
    assert set(re.findall(r"basics\('(\w+)'\)", text)) == basics
    asked = {e["name"] for e in ELEMENTS.values() if e["type"] != "Microsoft.Common.TextBlock"}
    assert asked == {name for _, name in read} | basics


@pytest.mark.parametrize("name", ["network", "cosmosCapacity", "quietHours"])
def test_the_form_offers_what_the_template_allows(name: str) -> None:
    element = ELEMENTS[name]
    offered = element["constraints"]["allowedValues"]

    # A list's values are texts in the portal; the form makes numbers of them (int) where the template wants numbers.
    about = TEMPLATE["parameters"][name]
    assert all(isinstance(o["value"], str) for o in offered)
    assert ("int(" in FORM["outputs"][name]) is (about["type"] == "int")
    assert {o["value"] for o in offered} == set(map(str, about["allowedValues"]))
    first = next(o["value"] for o in offered if o["label"] == element["defaultValue"])
    assert first == str(about["defaultValue"])


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("environmentName", ["dev", "prod2", "abcdefghijkl"], ["d", "Prod", "my-env", "1dev", "abcdefghijklm"]),
        ("addressPrefix", ["10.90.0.0/24", "10.0.0.0/16"], ["10.90.0.0/25", "10.90.0.0", "x"]),
        ("adminRanges", ["", "192.0.2.0/28, 198.51.100.7"], ["192.0.2.0/28 198.51.100.7", "all"]),
        ("gatewayRanges", ["", "203.0.113.0/24"], ["203.0.113.7", "203.0.113.0/24,"]),
        ("alertEmails", ["", "a@example.com, b@example.com"], ["a", "a@example.com b@example.com"]),
    ],
)
def test_the_form_refuses_what_could_not_be_deployed(name: str, taken: list[str], refused: list[str]) -> None:
    pattern = ELEMENTS[name]["constraints"]["regex"]

    assert [text for text in taken if not re.search(pattern, text)] == []
    assert [text for text in refused if re.search(pattern, text)] == []


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_asked_for_by_the_job(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)

    uses = re.findall(r"uses: (\S+)( # v[\d.]+)?", text)
    assert uses
    assert [action for action, version in uses if not (version and re.search(r"@[0-9a-f]{40}$", action))] == []
    assert workflow["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in workflow["jobs"].values())
    assert "secrets." not in text
    # What comes from outside is handed over in the environment, never pasted into a command.
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert not [run for run in commands if "${{ github" in run or "${{ vars" in run]


def test_a_pull_request_only_asks_and_a_tag_deploys() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8"))["jobs"]
    text = {name: json.dumps(job["steps"]) for name, job in jobs.items()}

    assert "group what-if" in text["what-if"]
    assert "group create" not in text["what-if"]
    assert "AZURE_READER_CLIENT_ID" in text["what-if"]
    assert "pull_request" in jobs["what-if"]["if"]
    assert jobs["package"]["if"] == "github.event_name == 'push'"
    assert jobs["deploy"]["needs"] == "package"
    assert jobs["deploy"]["environment"] == "production"
    assert "graph/main.bicep" not in text["deploy"]


def test_the_threat_model_names_what_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|functions|shared|infra)/[\w/.-]+|policy\.yaml)(?:::(\w+))?`", page)

    assert len(named) > 20
    # can | cannot | because of: what cannot be done is a promise, which a test has to hold.
    rows = re.findall(r"^\|([^|]*)\|([^|]+)\|([^|]+)\|$", page, re.MULTILINE)
    promises = [(cannot, because) for _, cannot, because in rows if cannot.strip() not in {"", "cannot", "---"}]
    assert len(promises) > 25
    assert [cannot for cannot, because in promises if not re.search(r"`tests/[\w/.-]+::\w+`", because)] == []
    for path, name in named:
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"

"""checkov over the evaluated deployments: every finding is mended, or has its reason in accepted.json.

    python infra/checkov/scan.py path/to/checkov

checkov does not look into nested templates, so azuredeploy.json itself would pass unseen: it is given the resources
that the committed snapshots evaluate to. Prints findings without a reason, and reasons without a finding; ends with 1
if there are any.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PARAMS = HERE.parent / "bicep" / "params"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"

Finding = tuple[str, str]
"""The check, and the type of the resource that it is about."""


def findings(checkov: str, environment: str, folder: Path) -> Iterator[tuple[Finding, str]]:
    """What checkov says against one environment: the finding, and a line about it."""
    resources = json.loads((PARAMS / f"{environment}.snapshot.json").read_text(encoding="utf-8"))["predictedResources"]
    flat = folder / f"{environment}.json"
    template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}
    flat.write_text(json.dumps(template, indent=1), encoding="utf-8")
    command = [checkov, "--file", str(flat), "--framework", "arm", "--output", "json", "--soft-fail", "--skip-download"]
    # It asks its vendor for guidelines, and goes on without them; only that is hidden.
    quiet = {**os.environ, "LOG_LEVEL": "ERROR"}
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=quiet).stdout)
    if not told["summary"]["passed"]:
        raise SystemExit(f"{environment}: checkov has looked at nothing")
    for failed in told["results"]["failed_checks"]:
        _, kind, name = failed["resource"].split(".", 2)
        kind = f"Microsoft.{kind}"
        yield (failed["check_id"], kind), f"{failed['check_id']} {name} ({kind}): {failed['check_name']}"


def main(checkov: str) -> int:
    """The exit status."""
    accepted = json.loads((HERE / "accepted.json").read_text(encoding="utf-8"))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for environment in sorted({environment for one in accepted for environment in one["in"]}):
            reasons = {(one["check"], one["type"]) for one in accepted if environment in one["in"] and one["why"]}
            found = list(findings(checkov, environment, Path(folder)))
            said = [line for finding, line in found if finding not in reasons]
            stale = reasons - {finding for finding, _ in found}
            said += [f"{check} ({kind}) is accepted and no longer found" for check, kind in sorted(stale)]
            print(*(f"{environment}: {line}" for line in said), sep="\n", end="\n" if said else "")
            wrong += len(said)
    print(f"checkov: {wrong} without a reason" if wrong else "checkov: every finding has its reason")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

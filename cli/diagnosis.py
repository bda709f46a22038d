"""What `clawback doctor` makes of what the apps found: what is as it should be, and what mends the rest."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.health.check import ROUND, fingerprint
from tools.deployment import TEMPLATES

# A signed webhook is good for five minutes (functions/ingest_alert/authentication.py): one minute leaves room.
_CLOCK_SECONDS = 60.0

_DEPLOY = (
    "az deployment group create --resource-group $GROUP --template-file infra/bicep/main.bicep "
    "--parameters infra/bicep/params/$ENVIRONMENT.bicepparam"
)
_GRANT = (
    "az deployment group create --resource-group $GROUP --template-file infra/bicep/graph/main.bicep --parameters …, "
    "or infra/bicep/graph/grant.py (docs/deploy.md, 2)"
)
_PUBLISH = "make package; az rest --method put --url $APP/extensions/onedeploy?… for both apps (docs/deploy.md, 3)"
_LOGS = "in Application Insights: union traces, exceptions | where timestamp > ago(1h) and severityLevel >= 3"
_NOT_YET = "not in the token; one from before the grant lives for up to a day: restart pipeline"
_LIMIT = "infra/exchange/limit-to-group.ps1 (docs/deploy.md, 2)"

# By how the name of what was looked at begins. What reaches nothing is either missing or shut off: the same deployment
# makes it and opens it.
_MENDS = {
    "webhook secret": "az keyvault secret set --vault-name $VAULT --name webhook-{source} --value '[\"<secret>\"]'",
    "policy": f"mend policy.yaml (docs/policy.md); {_PUBLISH}",
    "mailbox": (
        f"is it spelt so, in Exchange Online, and, where Exchange limits, in the group of {_LIMIT}? "
        "A change there takes up to two hours"
    ),
    "Graph": _GRANT,
    "": f"{_DEPLOY}; if that finds nothing to change, {_LOGS}",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, whether it is as it should be, what was seen, and what mends it if it is not."""

    name: str
    ok: bool
    what: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the judgement is made of.

    Args:
        web: web's report of itself.
        trips: the stops of each trip, as the API tells them.
        clocks: seconds by which the apps' clocks were ahead of this machine's, at least; by app.
        outside: addresses that pipeline must not be able to read.
        unused: sources that need no secret, since nobody posts as them.
    """

    web: Mapping[str, Any]
    trips: Mapping[str, list[dict[str, Any]]]
    clocks: Mapping[str, float]
    outside: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()


def judge(seen: Seen) -> Iterator[Finding]:
    """What is well and what is not, in the order in which a person would mend it."""
    pipeline = seen.trips[ROUND][0].get("report")
    yield from _of_probes("web", seen.web, seen)
    yield from _of_trips(seen.trips)
    apps: dict[str, Mapping[str, Any]] = {"web": seen.web}
    if pipeline is not None:
        apps["pipeline"] = pipeline
        yield from _of_probes("pipeline", pipeline, seen)
        yield from _of_grants(pipeline)
    for app, report in apps.items():
        same = report["code"] == fingerprint()
        said = f"Python {report['python']}, code {report['code']}"
        yield Finding(f"{app}: code", same, said if same else f"{said}; this checkout is {fingerprint()}", _PUBLISH)
    for app, ahead in seen.clocks.items():
        yield Finding(
            f"{app}: clock",
            abs(ahead) <= _CLOCK_SECONDS,
            f"{ahead:+.0f} s against this machine" if ahead else "",
            "set this machine's clock (timedatectl set-ntp true); Azure's are right",
        )


def _of_probes(app: str, report: Mapping[str, Any], seen: Seen) -> Iterator[Finding]:
    for probe in report["probes"]:
        what, found = probe["what"], probe["result"]
        said = f"{found}: {probe['detail']}" if probe.get("detail") else found
        if what.removeprefix("webhook secret of ") in seen.unused and found == "missing":
            yield Finding(f"{app}: {what}", ok=True, what="not used")
        elif what.removeprefix("mailbox ") in seen.outside:
            shut = found == "denied"
            open_to_us = f"{_LIMIT}: what Entra grants and what Exchange grants add up"
            yield Finding(f"{app}: {what} (outside)", shut, said, open_to_us if found == "ok" else _mend(what))
        else:
            yield Finding(f"{app}: {what}", found == "ok", "" if found == "ok" else said, _mend(what))


def _mend(what: str) -> str:
    mend = next(text for start, text in _MENDS.items() if what.startswith(start))
    # Key Vault takes no underscores.
    return mend.replace("{source}", what.rsplit(" ", 1)[-1].replace("_", "-"))


def _of_trips(trips: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    for trip, stops in trips.items():
        reached = [stop["stage"] for stop in stops if stop.get("report")]
        missed = [stop["stage"] for stop in stops if not stop.get("report")]
        if not missed:
            yield Finding(f"messages: {trip}", ok=True, what=" > ".join(reached))
        elif not reached and trip == ROUND:
            yield Finding(f"messages: {trip}", ok=False, what="pipeline did not answer", mend=f"{_PUBLISH}; {_LOGS}")
        else:
            came = f"came as far as {reached[-1]}, not to {missed[0]}" if reached else f"did not come to {missed[0]}"
            yield Finding(f"messages: {trip}", ok=False, what=came, mend=f"clawback dead-letter list; {_LOGS}")


def _of_grants(pipeline: Mapping[str, Any]) -> Iterator[Finding]:
    if (roles := pipeline.get("graphRoles")) is None:
        return
    permissions = json.loads((TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))["pipeline"]
    reads = [probe["result"] == "ok" for probe in pipeline["probes"] if probe["what"].startswith("mailbox ")]
    for permission, told in permissions.items():
        name, granted = f"pipeline: Graph {permission}", permission in roles
        if granted or "exchangeRole" not in told:
            yield Finding(
                name,
                granted,
                "" if granted else _NOT_YET,
                _GRANT,
            )
        elif any(reads):
            yield Finding(name, ok=True, what="not in the token; given by Exchange")
        else:
            yield Finding(name, ok=False, what="not in the token; by Exchange? Give --mailbox to see", mend=_GRANT)
    for permission in sorted(set(roles) - set(permissions)):
        yield Finding(f"pipeline: Graph {permission}", ok=False, what="granted, and nothing needs it", mend=_GRANT)

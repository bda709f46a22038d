"""How `clawback doctor` judges what the apps found: what is right, and how to fix what is not."""

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

# By the beginning of the probe's name. A service that cannot be reached is either missing or blocked: the same
# deployment creates it and gives access to it.
_FIXES = {
    "webhook secret": "az keyvault secret set --vault-name $VAULT --name webhook-{source} --value '[\"<secret>\"]'",
    "policy": f"correct policy.yaml (docs/policy.md); {_PUBLISH}",
    "mailbox": (
        f"check the spelling, that it is in Exchange Online, and, if Exchange limits access, in the group of {_LIMIT}; "
        "a change there takes up to two hours"
    ),
    "Graph": _GRANT,
    "": f"{_DEPLOY}; if that changes nothing, {_LOGS}",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, whether it passed, what was seen, and how to fix it if it did not pass."""

    name: str
    ok: bool
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is judged.

    Args:
        web: web's report of itself.
        trips: the stops of each trip, as the API gives them.
        clocks: by app, seconds by which its clock is at least ahead of this machine's.
        outside: addresses that pipeline must not be able to read.
        unused: sources that need no secret because nobody posts as them.
    """

    web: Mapping[str, Any]
    trips: Mapping[str, list[dict[str, Any]]]
    clocks: Mapping[str, float]
    outside: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()


def judge(seen: Seen) -> Iterator[Finding]:
    """All findings, in the order in which a person would fix them."""
    pipeline = seen.trips[ROUND][0].get("report")
    yield from _of_probes("web", seen.web, seen)
    yield from _of_trips(seen.trips)
    apps: dict[str, Mapping[str, Any]] = {"web": seen.web}
    if pipeline is not None:
        apps["pipeline"] = pipeline
        yield from _of_probes("pipeline", pipeline, seen)
        yield from _of_grants(pipeline)
        yield from _of_pulling(pipeline)
    for app, report in apps.items():
        same = report["code"] == fingerprint()
        version = f"Python {report['python']}, code {report['code']}"
        detail = version if same else f"{version}; this checkout is {fingerprint()}"
        yield Finding(f"{app}: code", same, detail, _PUBLISH)
    for app, ahead in seen.clocks.items():
        yield Finding(
            f"{app}: clock",
            abs(ahead) <= _CLOCK_SECONDS,
            f"{ahead:+.0f} s compared with this machine" if ahead else "",
            "set this machine's clock (timedatectl set-ntp true); Azure's clocks are right",
        )


def _of_probes(app: str, report: Mapping[str, Any], seen: Seen) -> Iterator[Finding]:
    for probe in report["probes"]:
        what, result = probe["what"], probe["result"]
        detail = f"{result}: {probe['detail']}" if probe.get("detail") else result
        if what.removeprefix("webhook secret of ") in seen.unused and result == "missing":
            yield Finding(f"{app}: {what}", ok=True, detail="not used")
        elif what.removeprefix("mailbox ") in seen.outside:
            # A mailbox that does not exist proves nothing.
            too_open = f"{_LIMIT}: the permissions that Entra and Exchange grant add up"
            fix = too_open if result == "ok" else _fix(what)
            yield Finding(f"{app}: {what} (outside)", result == "denied", detail, fix)
        else:
            yield Finding(f"{app}: {what}", result == "ok", "" if result == "ok" else detail, _fix(what))


def _fix(what: str) -> str:
    fix = next(text for start, text in _FIXES.items() if what.startswith(start))
    # A name in Key Vault has no underscores.
    return fix.replace("{source}", what.rsplit(" ", 1)[-1].replace("_", "-"))


def _of_trips(trips: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    for trip, stops in trips.items():
        reached = [stop["stage"] for stop in stops if stop.get("report")]
        missed = [stop["stage"] for stop in stops if not stop.get("report")]
        if not missed:
            yield Finding(f"messages: {trip}", ok=True, detail=" > ".join(reached))
        elif not reached and trip == ROUND:
            yield Finding(f"messages: {trip}", ok=False, detail="pipeline did not answer", fix=f"{_PUBLISH}; {_LOGS}")
        else:
            detail = f"reached {reached[-1]}, not {missed[0]}" if reached else f"did not reach {missed[0]}"
            yield Finding(f"messages: {trip}", ok=False, detail=detail, fix=f"clawback dead-letter list; {_LOGS}")


def _of_pulling(pipeline: Mapping[str, Any]) -> Iterator[Finding]:
    if (pulling := pipeline.get("pulling")) is None:
        return
    paused = pulling.get("paused")
    detail = f"paused by {paused['by']} since {paused['at']}: {paused['reason']}" if paused else "not paused"
    yield Finding("pipeline: pulling", not paused, detail, "clawback resume --by … --reason …, if it is to go on")
    only_plans = pulling["mode"] == "observe"
    detail = "every plan waits, and none can be approved: nothing is pulled" if only_plans else ""
    yield Finding(f"pipeline: mode {pulling['mode']}", ok=True, detail=detail)
    spans = [("hour", "lastHour", "targetsPerHour"), ("day", "lastDay", "targetsPerDay")]
    used = [(name, pulling[taken]["targets"], pulling[allowed]) for name, taken, allowed in spans]
    yield Finding(
        "pipeline: budget of pulls that no person approved",
        all(taken < allowed for _, taken, allowed in used),
        ", ".join(f"{taken} of {allowed} targets in the last {name}" for name, taken, allowed in used),
        "look at the plans that wait (clawback incident list); or raise `budget` in policy.yaml (docs/policy.md)",
    )


def _of_grants(pipeline: Mapping[str, Any]) -> Iterator[Finding]:
    if (roles := pipeline.get("graphRoles")) is None:
        return
    permissions = json.loads((TEMPLATES / "graph" / "permissions.json").read_text(encoding="utf-8"))["pipeline"]
    reads = [probe["result"] == "ok" for probe in pipeline["probes"] if probe["what"].startswith("mailbox ")]
    for permission, about in permissions.items():
        name, granted = f"pipeline: Graph {permission}", permission in roles
        if granted or "exchangeRole" not in about:
            yield Finding(name, granted, "" if granted else _NOT_YET, _GRANT)
        elif any(reads):
            yield Finding(name, ok=True, detail="not in the token; granted by Exchange")
        else:
            detail = "not in the token; to see whether Exchange grants it, give --mailbox"
            yield Finding(name, ok=False, detail=detail, fix=_GRANT)
    for permission in sorted(set(roles) - set(permissions)):
        yield Finding(f"pipeline: Graph {permission}", ok=False, detail="granted, but not needed", fix=_GRANT)

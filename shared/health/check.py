"""The health check: a message visits every stage, and each leaves a report among the evidence.

web ─▶ ingest_alert ─▶ enrich ─▶ expand_recipients ─▶ quarantine ─▶ report ─▶ ingest_alert
 ├───▶ quarantine
 └───▶ report

An arrow is a right to send that was used, a stop is a trigger that works. At its first stop pipeline also looks at
everything else that it uses, with its own identity.
"""

import hashlib
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.clock import Clock
from shared.domain.base import Frozen, Instant
from shared.domain.ids import MailboxId
from shared.domain.recipient import RecipientKind
from shared.domain.tenant import DAY, HOUR, Amount, Budget, Pause, PauseChange
from shared.errors import ClawbackError
from shared.names import WEB_SENDS_TO, Stage
from shared.pipeline.payloads import HealthCheck
from shared.policy import Mode, Policy, PolicyError, load_policy
from shared.ports.answers import Refusal, RefusalKind
from shared.ports.dead_letters import DeadLetters
from shared.ports.directory import Directory
from shared.ports.evidence import EvidenceStore
from shared.ports.health import GraphToken, Probe, Probed, ProbeResult
from shared.ports.mailboxes import Mailboxes
from shared.ports.queue import MessageQueue
from shared.ports.tenant import TenantStore
from shared.settings import Settings

ROUND = "round"
TRIPS: dict[str, tuple[Stage, ...]] = {
    # Back to where it began: pipeline sends to the first queue too, when a message is retried.
    ROUND: (*Stage, Stage.INGEST_ALERT),
    **{f"web_{stage}": (stage,) for stage in WEB_SENDS_TO if stage is not Stage.INGEST_ALERT},
}

_ROOT = Path(__file__).parents[2]
_OUR_CODE = ("function_app.py", "host.json", "policy.yaml", "functions", "shared")
_SOURCES = {".py", ".json", ".yaml"}


# Each is looked up and read one after the other, in the time that one message has. RFC 5321 4.5.3.1: 64 characters
# before the @, 255 behind it.
Addresses = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=320)], ...], Field(max_length=20)]


class Asked(Frozen):
    """Who asked for a health check and why. Kept with the raw payloads, and not in a queue message."""

    id: str
    by: str
    at: Instant
    reason: str = ""
    mailboxes: Addresses = ()
    """To look into; nothing in them is changed."""

    @property
    def path(self) -> str:
        """Where it is kept."""
        return asked_path(self.id)


def asked_path(check_id: str) -> str:
    """Where `Asked` is kept."""
    return f"raw/health/{check_id}.json"


class Pulling(Frozen):
    """What keeps pulls back in the whole tenant."""

    mode: Mode
    paused: PauseChange | None = None
    last_hour: Amount
    """What plans that no person approved took."""
    last_day: Amount
    targets_per_hour: int
    """What policy lets them take."""
    targets_per_day: int


class Report(Frozen):
    """What one process says of itself, and of what it touches."""

    at: Instant
    code: str
    """Fingerprint of the code that runs."""
    python: str
    probes: tuple[Probe, ...] = ()
    graph_roles: tuple[str, ...] | None = None
    """The application permissions in pipeline's token for Graph; None if there was none to look at."""
    pulling: Pulling | None = None
    """Of pipeline; None if its policy or its state cannot be read, which a probe says."""


@dataclass(frozen=True)
class HealthDeps:
    """What pipeline is asked to look at."""

    settings: Settings
    queue: MessageQueue
    evidence: EvidenceStore
    dead_letters: DeadLetters
    state: Probed
    tenant: TenantStore
    graph_token: GraphToken
    directory: Directory
    mailboxes: Mailboxes
    now: Clock


async def visit(check: HealthCheck, deps: HealthDeps) -> None:
    """Keep the report of this stop, and send the message on.

    Raises:
        UnavailableError, DeniedError: the report cannot be kept, or the message not be sent.
    """
    first = check.route == TRIPS[ROUND]
    report = await _look_around(check, deps) if first else about_us(deps.now())
    await deps.evidence.keep(stop(check), report.model_dump_json().encode(), "application/json")
    if rest := check.route[1:]:
        await deps.queue.send(check.model_copy(update={"route": rest}), correlation_id=check.id)


def stop(check: HealthCheck) -> str:
    """The path of the report of where the message is, counted from the end: a repeated message finds it there."""
    return f"health/{check.id}/{check.trip}-{len(check.route)}.json"


def about_us(
    now: Instant, *probes: Probe, graph_roles: tuple[str, ...] | None = None, pulling: Pulling | None = None
) -> Report:
    """A report of this process."""
    return Report(
        at=now,
        code=fingerprint(),
        python=platform.python_version(),
        probes=probes,
        graph_roles=graph_roles,
        pulling=pulling,
    )


@lru_cache(maxsize=1)
def fingerprint(root: Path = _ROOT) -> str:
    """Of the code that `root` holds: 16 hexadecimal digits, the same wherever the same code is."""
    digest = hashlib.sha256()
    files = [path for part in _OUR_CODE for path in ((root / part), *(root / part).rglob("*"))]
    for path in sorted(path for path in files if path.suffix in _SOURCES):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


async def _look_around(check: HealthCheck, deps: HealthDeps) -> Report:
    probes = [*await deps.queue.probe(), *await deps.evidence.probe(), *await deps.dead_letters.probe()]
    probes += await deps.state.probe()
    policy, told = _policy(deps.settings.policy_path)
    probes.append(told)
    roles: tuple[str, ...] | None = None
    try:
        roles = await deps.graph_token.roles()
    except ClawbackError as error:
        probes.append(Probe(what="Graph token", result=ProbeResult.DENIED, detail=str(error)))
    try:
        asked = Asked.model_validate_json(await deps.evidence.read(asked_path(check.id)))
        probes += [await _mailbox(address, deps) for address in asked.mailboxes]
    except ClawbackError as error:
        # Reported by web too, which could not keep it, or by the probe of the container.
        probes.append(Probe(what="what was asked for", result=ProbeResult.MISSING, detail=str(error)))
    return about_us(deps.now(), *probes, graph_roles=roles, pulling=await _pulling(policy, deps))


def _policy(path: Path) -> tuple[Policy | None, Probe]:
    try:
        return load_policy(path), Probe(what="policy", result=ProbeResult.OK)
    except PolicyError as error:
        return None, Probe(what="policy", result=ProbeResult.WRONG, detail=str(error)[:500])


async def _pulling(policy: Policy | None, deps: HealthDeps) -> Pulling | None:
    if policy is None:
        return None
    try:
        pause, budget, now = await deps.tenant.read(Pause), await deps.tenant.read(Budget), deps.now()
    except ClawbackError:
        # The probe of its container says why.
        return None
    return Pulling(
        mode=policy.mode,
        paused=pause.changes[-1] if pause.paused else None,
        last_hour=budget.used(HOUR, now),
        last_day=budget.used(DAY, now),
        targets_per_hour=policy.budget.targets_per_hour,
        targets_per_day=policy.budget.targets_per_day,
    )


async def _mailbox(address: str, deps: HealthDeps) -> Probe:
    """A harmless read: the id of the inbox."""
    what = f"mailbox {address}"
    try:
        found = (await deps.directory.resolve([address]))[address]
        if isinstance(found, Refusal):
            # Not "denied": that would say that Exchange keeps us out of the mailbox.
            return Probe(what=what, result=ProbeResult.UNAVAILABLE, detail=f"directory: {found.code}")
        if found.kind is not RecipientKind.USER or found.id is None:
            return Probe(what=what, result=ProbeResult.MISSING, detail=f"the directory says: {found.kind}")
        mailbox = MailboxId(found.id)
        inbox = (await deps.mailboxes.inboxes([mailbox]))[mailbox]
    except ClawbackError as error:
        return Probe(what=what, result=ProbeResult.UNAVAILABLE, detail=str(error))
    if isinstance(inbox, Refusal):
        return Probe(what=what, result=_AS_FOUND.get(inbox.kind, ProbeResult.UNAVAILABLE), detail=inbox.code)
    return Probe(what=what, result=ProbeResult.OK)


_AS_FOUND = {
    RefusalKind.DENIED: ProbeResult.DENIED,
    RefusalKind.MAILBOX_MISSING: ProbeResult.MISSING,
    RefusalKind.ON_PREMISES: ProbeResult.MISSING,
    RefusalKind.NOT_FOUND: ProbeResult.MISSING,
}

"""What a rule of the policy can ask about an alert. A new condition is one function here; its name is its YAML key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from shared.domain.alert import Alert, Severity, ThreatType
from shared.domain.incident import Priority
from shared.domain.indicators import IndicatorType, domain


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """What is known of an alert when policy decides about it."""

    alert: Alert
    priority: Priority
    recipients: int
    """How many addresses the alert names, all messages together. A group is one."""
    privileged: int
    """How many of them are privileged people."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """A question about an alert, and what may stand after its name."""

    name: str
    says: str
    """The first line of its documentation."""
    takes: TypeAdapter[Any]
    holds: Callable[[Any, PolicyInput], bool]


CONDITIONS: dict[str, Condition] = {}


def condition(holds: Callable[[Any, PolicyInput], bool]) -> Callable[[Any, PolicyInput], bool]:
    """Make this function the condition of its name; the type of `wanted` is what the policy file may give it."""
    CONDITIONS[holds.__name__] = Condition(
        name=holds.__name__,
        says=(holds.__doc__ or "").strip().splitlines()[0],
        takes=TypeAdapter(get_type_hints(holds)["wanted"]),
        holds=holds,
    )
    return holds


def parse_conditions(given: dict[str, Any]) -> dict[str, Any]:
    """The values of a rule's conditions, in the types that the conditions take.

    Raises:
        ValueError: all that is wrong, each with its place below `when`.
    """
    parsed: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in given.items():
        if name not in CONDITIONS:
            wrong.append(f"{name}: no such condition; there are {', '.join(sorted(CONDITIONS))}")
            continue
        try:
            parsed[name] = CONDITIONS[name].takes.validate_python(value)
        except ValidationError as error:
            wrong += [f"{'.'.join(map(str, (name, *e['loc'])))}: {e['msg']}" for e in error.errors()]
    if wrong:
        raise ValueError("; ".join(wrong))
    return parsed


@condition
def source(wanted: tuple[str, ...], known: PolicyInput) -> bool:
    """The alert came from one of these sources, by the name in the webhook's URL."""
    return known.alert.source in wanted


@condition
def threat_type(wanted: tuple[ThreatType, ...], known: PolicyInput) -> bool:
    """The kind of threat is one of these."""
    return known.alert.threat_type in wanted


@condition
def severity_at_least(wanted: Severity, known: PolicyInput) -> bool:
    """The source says that it is at least this bad."""
    return known.alert.severity.rank >= wanted.rank


@condition
def priority_at_least(wanted: int, known: PolicyInput) -> bool:
    """Clawback's own score, from 0 to 100, is at least this."""
    return known.priority.score >= wanted


@condition
def recipients_at_most(wanted: int, known: PolicyInput) -> bool:
    """The alert names at most this many addresses; a group counts as one."""
    return known.recipients <= wanted


@condition
def privileged_recipient(wanted: bool, known: PolicyInput) -> bool:  # noqa: FBT001 - the policy file gives the value
    """Whether at least one recipient is privileged."""
    return (known.privileged > 0) is wanted


@condition
def sender_domain(wanted: tuple[str, ...], known: PolicyInput) -> bool:
    """Every message of the alert was sent from one of these domains or a subdomain of one."""
    senders = [message.from_addresses for message in known.alert.messages]
    return all(some and all(in_domain(one, wanted) for one in some) for some in senders)


@condition
def indicator_type(wanted: tuple[IndicatorType, ...], known: PolicyInput) -> bool:
    """The source named at least one indicator of one of these types."""
    return any(indicator.type in wanted for indicator in known.alert.indicators)


def in_domain(address: str, domains: tuple[str, ...]) -> bool:
    """Whether the address belongs to one of the domains, or to a subdomain of one, however each is spelled."""
    host, *names = (domain(name) or name.lower() for name in (address.rpartition("@")[2], *domains))
    return any(host == name or host.endswith("." + name) for name in names)

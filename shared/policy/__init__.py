"""What Clawback may do by itself: the policy file, and the decision that it leads to."""

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from shared.domain.alert import Disposition
from shared.domain.incident import Action, Decision
from shared.domain.mail_address import spelled
from shared.errors import ClawbackError
from shared.policy.conditions import CONDITIONS, PolicyInput, in_domain, parse_conditions

__all__ = ["Follow", "Limits", "Policy", "PolicyError", "PolicyInput", "Protected", "Rule", "decide", "load_policy"]


class PolicyError(ClawbackError):
    """The policy file cannot be used; says every mistake with its place."""


class _Part(BaseModel):
    # Not `Frozen`: that reads camelCase too, and a file that people review should have one spelling.
    model_config = ConfigDict(frozen=True, extra="forbid")


def _lower(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.strip().lower() for value in values)


Names = Annotated[tuple[str, ...], AfterValidator(_lower)]
"""Addresses, or ids of the directory; compared in lower case."""


class Rule(_Part):
    """If all conditions hold, `then` is the decision. A rule without conditions always holds."""

    name: str = Field(min_length=1)
    when: Annotated[dict[str, Any], AfterValidator(parse_conditions)] = Field(default_factory=dict)
    then: Action

    def holds(self, known: PolicyInput) -> bool:
        """Whether all its conditions hold."""
        return all(CONDITIONS[name].holds(wanted, known) for name, wanted in self.when.items())


class Limits(_Part):
    """What turns automatic into "needs approval", or holds a target."""

    targets: StrictInt = Field(500, ge=0)
    """A plan with more new targets needs a person."""
    mailbox_share: float = Field(0.5, ge=0, le=1)
    """A plan that touches more than this share of the tenant's mailboxes needs a person."""
    copies_per_mailbox: StrictInt = Field(25, ge=1)
    """More copies of one message in one mailbox are held, not pulled."""


class Protected(_Part):
    """What is touched only after a person said yes."""

    people: Names = ()
    """Addresses of people, any of them."""
    groups: Names = ()
    """Addresses or ids of groups: all their members, however nested."""
    senders: Names = ()
    """Addresses, or domains as `@contoso.example`, whose mail is not pulled automatically."""

    def sender(self, address: str | None) -> bool:
        """Whether mail from this address is protected, however the address and the policy spell it."""
        if address is None:
            return False
        known = spelled(address) or address.lower()
        domains = tuple(entry[1:] for entry in self.senders if entry.startswith("@"))
        return known in {spelled(entry) or entry for entry in self.senders} or in_domain(known, domains)


class Privileged(_Part):
    """People whose mailboxes make an alert more urgent."""

    groups: Names = ()
    """Addresses or ids of groups: all their members, however nested."""


class Follow(_Part):
    """How far mail is followed from mailbox to mailbox."""

    depth: StrictInt = Field(3, ge=0, le=10)
    """How many times mail is followed on; 0 follows nothing."""
    replies: StrictBool = True
    """Follow replies too, not only forwards."""
    inbox_rules: StrictBool = True
    """Follow inbox rules that forward or redirect."""


class Policy(_Part):
    """The policy file. The first rule whose conditions all hold decides."""

    version: Literal[1]
    rules: tuple[Rule, ...]
    limits: Limits = Limits()
    protected: Protected = Protected()
    privileged: Privileged = Privileged()
    follow: Follow = Follow()


def decide(policy: Policy, known: PolicyInput) -> Decision:
    """What policy says about the alert. Where no rule holds, a person decides."""
    if known.alert.disposition is Disposition.ENRICH_ONLY:
        # The source stopped this mail itself: there is nothing to pull, so no rule is asked.
        return _decision(Action.IGNORE, "enrich only", ("the source asks for no action",), known)
    for rule in policy.rules:
        if rule.holds(known):
            reasons = tuple(f"{name}: {_shown(wanted)}" for name, wanted in rule.when.items())
            return _decision(rule.then, rule.name, reasons, known)
    return _decision(Action.NEEDS_APPROVAL, "no rule holds", (), known)


def _decision(action: Action, rule: str, reasons: tuple[str, ...], known: PolicyInput) -> Decision:
    return Decision(action=action, rule=rule, reasons=reasons, priority=known.priority, at=known.at)


def _shown(wanted: Any) -> str:
    return ", ".join(map(str, wanted)) if isinstance(wanted, tuple) else str(wanted)


def load_policy(path: Path) -> Policy:
    """Read and check the policy file.

    Raises:
        PolicyError: it cannot be read, is no YAML, says a key twice, or has mistakes; all are named.
    """
    try:
        given = _read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: {error}") from error
    try:
        policy = Policy.model_validate(given)
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise PolicyError(f"{path}: {mistakes}") from error
    names = [rule.name for rule in policy.rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        # A decision names its rule; two of one name would leave open which it was.
        raise PolicyError(f"{path}: rules: these names are there twice: {', '.join(twice)}")
    return policy


def _read_yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - cold start: only stages with a policy read YAML

    class Loader(yaml.SafeLoader):
        """The safe loader, except that a key said twice is a mistake and not a silent choice of the last."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
            keys = [str(key.value) for key, _ in node.value]
            if twice := {key for key in keys if keys.count(key) > 1}:
                raise ValueError(f"line {node.start_mark.line + 1}: said twice: {', '.join(sorted(twice))}")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error

"""The policy file: what it may say, what it means, and that its page tells the same."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bootstrap import Services
from shared.domain.alert import (
    Alert,
    Disposition,
    RawPayload,
    Severity,
    ThreatType,
    alert_id,
)
from shared.domain.incident import Action, Priority
from shared.domain.indicators import Indicator, IndicatorType
from shared.domain.message import Message
from shared.policy import Policy, PolicyError, PolicyInput, Protected, decide, load_policy
from shared.policy.conditions import CONDITIONS, parse_conditions
from shared.settings import Settings

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def facts(*, score: int = 50, recipients: int = 1, privileged: int = 0, **alert: Any) -> PolicyInput:
    given_alert = {
        "id": alert_id("tap", "1"),
        "source": "tap",
        "vendor_alert_id": "1",
        "received_at": NOW,
        "messages": (Message(internet_message_id="<a@evil.example>", sender="x@mail.evil.example"),),
        "evidence": RawPayload(path="raw/tap/1", sha256="0" * 64, size=1),
        **alert,
    }
    return PolicyInput(
        alert=Alert(**given_alert),
        priority=Priority(score=score),
        recipients=recipients,
        privileged=privileged,
        at=NOW,
    )


def policy(*rules: dict[str, Any]) -> Policy:
    named = [{"name": f"rule {i}", **rule} for i, rule in enumerate(rules)]
    return Policy.model_validate({"version": 1, "rules": named})


def load(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


# One case that holds and one that does not, for every condition.
URL = Indicator(type=IndicatorType.URL, value="http://evil.example/", source="tap")
CASES: dict[str, tuple[Any, PolicyInput, PolicyInput]] = {
    "source": (["tap", "native"], facts(), facts(source="defender")),
    "threat_type": (["phish"], facts(threat_type=ThreatType.PHISH), facts(threat_type=ThreatType.SPAM)),
    "severity_at_least": ("high", facts(severity=Severity.CRITICAL), facts(severity=Severity.MEDIUM)),
    "priority_at_least": (50, facts(score=50), facts(score=49)),
    "recipients_at_most": (10, facts(recipients=10), facts(recipients=11)),
    "privileged_recipient": (True, facts(privileged=1), facts(privileged=0)),
    "sender_domain": (["evil.example"], facts(), facts(messages=(Message(sender="x@notevil.example"),))),
    "indicator_type": (["url"], facts(indicators=(URL,)), facts()),
}


def test_every_condition_has_a_case() -> None:
    assert CASES.keys() == CONDITIONS.keys()


@pytest.mark.parametrize("name", CONDITIONS)
def test_condition_holds_where_it_should_and_nowhere_else(name: str) -> None:
    wanted, yes, no = CASES[name]
    rule = policy({"when": {name: wanted}, "then": "automatic"}).rules[0]
    assert rule.holds(yes)
    assert not rule.holds(no)


def test_sender_domain_needs_every_from_address_in_whatever_spelling() -> None:
    rule = policy({"when": {"sender_domain": ["bücher.example"]}, "then": "automatic"}).rules[0]
    inside, outside = "x@xn--bcher-kva.example", "y@good.example"
    assert rule.holds(facts(messages=(Message(senders=(inside,)),)))
    assert not rule.holds(facts(messages=(Message(senders=(inside, outside)),)))


def test_sender_domain_needs_every_message() -> None:
    rule = policy({"when": {"sender_domain": ["evil.example"]}, "then": "automatic"}).rules[0]
    mixed = (Message(sender="x@evil.example"), Message(sender=None))
    assert not rule.holds(facts(messages=mixed))


def test_page_lists_every_condition_in_its_own_words() -> None:
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^\n]+ \| ([A-Z][^|]+) \|$", page, re.MULTILINE))
    assert rows == {name: condition.says for name, condition in CONDITIONS.items()}


def test_page_example_is_a_policy(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    assert len(load(tmp_path, example[1]).protected.senders) == 2


def test_shipped_policy_loads_and_leaves_the_rest_to_a_person() -> None:
    shipped = load_policy(ROOT / "policy.yaml")
    assert decide(shipped, facts(threat_type=ThreatType.PHISH)).action is Action.AUTOMATIC
    assert decide(shipped, facts(threat_type=ThreatType.SPAM)).action is Action.NEEDS_APPROVAL


def test_first_rule_that_holds_decides_and_says_why() -> None:
    decision = decide(
        policy(
            {"when": {"source": ["defender"]}, "then": "ignore"},
            {"when": {"source": ["tap"], "severity_at_least": "low"}, "then": "automatic"},
            {"then": "needs_approval"},
        ),
        facts(score=70),
    )
    assert (decision.action, decision.rule) == (Action.AUTOMATIC, "rule 1")
    assert decision.reasons == ("source: tap", "severity_at_least: low")
    assert decision.priority.score == 70
    assert decision.at == NOW


def test_a_person_decides_where_no_rule_holds() -> None:
    assert decide(policy(), facts()).action is Action.NEEDS_APPROVAL


def test_no_rule_pulls_what_the_source_stopped_itself() -> None:
    assert decide(policy({"then": "automatic"}), facts(disposition=Disposition.ENRICH_ONLY)).action is Action.IGNORE


@given(st.lists(st.sampled_from(list(Action)), max_size=4), st.integers(0, 100))
def test_deciding_is_a_function_of_its_input(actions: list[Action], score: int) -> None:
    rules = policy(*({"when": {"priority_at_least": 30 * i}, "then": a} for i, a in enumerate(actions)))
    assert decide(rules, facts(score=score)) == decide(rules, facts(score=score))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: []", "version: Field required"),
        ("version: 2\nrules: []", "version: Input should be 1"),
        ("version: 1\nrules: []\nlimit: {}", "limit: Extra inputs are not permitted"),
        ("version: 1\nrules: [{name: a, then: auto}]", "rules.0.then: Input should be 'automatic'"),
        ("version: 1\nrules: [{name: a, when: {colour: [red]}, then: ignore}]", "colour: no such condition"),
        (
            "version: 1\nrules: [{name: a, when: {threat_type: [phish, fish]}, then: ignore}]",
            "rules.0.when: Value error, threat_type.1: Input should be 'phish'",
        ),
        (
            "version: 1\nrules: [{name: a, then: ignore}, {name: a, then: automatic}]",
            "rules: these names are there twice: a",
        ),
        ("version: 1\nrules: []\nlimits: {targets: yes}", "limits.targets: Input should be a valid integer"),
        ("version: 1\nrules: []\nlimits: {targets: 5, targets: 5000}", "line 3: said twice: targets"),
        ("version: 1\nrules: []\nfollow: {depth: -1}", "follow.depth"),
        ("version: 1\nrules: []\nlimits: {mailbox_share: 50}", "limits.mailbox_share"),
        ("version: 1\nrules: []\nlimits: {mailboxShare: 0.5}", "limits.mailboxShare"),
        ("version: [", "while parsing"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("", "file: Input should be"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)):
        load(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, "version: 1\nrules: [{name: a, when: {x: 1, source: 5}, then: b}]\nfollow: {depth: x}")
    assert all(place in str(caught.value) for place in ("x: no such", "source: Input", "rules.0.then", "follow.depth"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.yaml"):
        load_policy(tmp_path / "nowhere.yaml")


def test_no_value_is_no_answer_to_a_condition() -> None:
    with pytest.raises(ValueError, match="severity_at_least"):
        parse_conditions({"severity_at_least": None})


@pytest.mark.parametrize(
    ("sender", "protected"),
    [
        ("Payroll@contoso.example", True),
        ("other@contoso.example", False),
        ("bot@alerts.contoso.example", True),
        ("bot@eu.alerts.contoso.example", True),
        ("bot@notalerts.contoso.example", False),
        ('"Payroll"@contoso.example', True),
        ("a@xn--bcher-kva.example", True),
        ("a@Bücher.example", True),
        ("ann@xn--mller-kva.example", True),
        (None, False),
    ],
)
def test_protected_senders(sender: str | None, protected: bool) -> None:
    protection = Protected(
        senders=("payroll@Contoso.example ", "@alerts.contoso.example", "@bücher.example", "ann@müller.example")
    )
    assert protection.sender(sender) is protected


def test_stages_get_the_policy_that_the_setting_names() -> None:
    settings = Settings(
        queue_service="https://queue.example.com",
        blob_service="https://blob.example.com",
        cosmos_endpoint="https://cosmos.example.com",
        policy_path=ROOT / "policy.yaml",
    )
    services = Services(settings)
    assert services.policy == load_policy(ROOT / "policy.yaml")
    assert services.policy is services.policy

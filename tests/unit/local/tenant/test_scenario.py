"""Scenario files: what is wrong in one is told with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.emulators.graph.model import ModelError
from local.tenant.scenario import SCENARIOS, Kind, Send, load_scenario

LURE: dict[str, Any] = {
    "message_id": "<l@evil.example>",
    "sender": {"address": "bad@evil.example"},
    "subject": "s",
    "body": "b",
    "url": "https://evil.example",
    "minutes_ago": 5,
    "to": ["ann", "team"],
}
SMALL: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "about": "for a test",
    "people": 0,
    "ordinary_mail": [0, 1],
    "cast": {"ann": {"name": "Ann Example", "aliases": ["a1"]}, "bob": {"name": "Bob Example"}},
    "groups": {"team": {"name": "Team", "members": ["ann"]}},
    "lure": LURE,
}
FORWARD = {"did": "forward", "who": "ann", "becomes": "f", "to": ["bob"], "minutes_ago": 1}


def written(directory: Path, **changes: Any) -> Path:
    path = directory / "scenario.yaml"
    path.write_text(yaml.safe_dump({**SMALL, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_that_is_shipped_loads_under_its_own_name(path: Path) -> None:
    assert load_scenario(path.stem).name == path.stem


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, deeds=[FORWARD]))
    assert scenario.cast["ann"].kind is Kind.PERSON
    assert isinstance(scenario.deeds[0], Send)
    assert scenario.domain == "contoso.example"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"version": 2}, "version: "),
        ({"people": -1}, "people: "),
        ({"groups": {"ann": {"name": "Ann"}}, "lure": {**LURE, "to": []}}, "in the cast and a group at once"),
        ({"groups": {"team": {"name": "Team", "members": ["zoe"]}}}, r"neither in the cast nor a group: \['zoe'\]"),
        ({"lure": {**LURE, "to": ["ann/other"]}}, "no such alias: ann/other"),
        ({"undo": "zoe"}, r"not in the cast: \['zoe'\]"),
        ({"administrators": ["team"]}, r"not in the cast: \['team'\]"),
        ({"deeds": [{"did": "dance", "who": "ann"}]}, "deeds.0: "),
        ({"deeds": [{**FORWARD, "mail": "later"}]}, "sends on later, which is not there yet"),
        ({"deeds": [FORWARD, FORWARD]}, "two mails are called f"),
        ({"deeds": [{**FORWARD, "to": ["zoe"]}]}, "neither in the cast nor a group"),
        ({"rules": [{"who": "team", "name": "r", "subject_contains": ["x"]}]}, "not in the cast"),
        ({"lookalikes": [{"why": "w", "where": ["ann"], "minutes_ago": 1}]}, "a message_id or a sender of its own"),
        ({"cast": {"ann": {"name": "Ann", "kind": "guest"}}}, "have an address of their own"),
        ({"cast": {"ann": {"name": "Ann", "address": "ann@example.com"}}}, "have an address of their own"),
    ],
)
def test_the_error_names_the_place_of_a_mistake(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(ModelError, match=told) as caught:
        load_scenario(path)
    assert str(path) in str(caught.value)


def test_the_error_about_an_unknown_scenario_lists_those_that_exist() -> None:
    with pytest.raises(ModelError, match="there is no scenario nothing; there are: crash, phishing"):
        load_scenario("nothing")


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("cast: {", encoding="utf-8")
    with pytest.raises(ModelError, match=r"broken\.yaml"):
        load_scenario(path)

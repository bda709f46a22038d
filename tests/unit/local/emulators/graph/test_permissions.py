"""The permission table is Microsoft's."""

import json
from pathlib import Path

import pytest

from local.emulators.graph.permissions import cut, may, table
from local.emulators.graph.routes import ROUTES, served
from tests.unit.local.emulators.graph.world import App

PUBLISHED = Path("/work/shared/graph/application-permissions.json")


def test_every_route_has_a_permission() -> None:
    for route in ROUTES:
        assert table()[route.permission_path][route.method], route


@pytest.mark.parametrize(
    ("role", "method", "template", "allowed"),
    [
        ("Mail.Read", "GET", "/users/{id}/messages", True),
        ("Mail.ReadWrite", "GET", "/users/{id}/messages/{id}", True),
        ("Mail.Read", "POST", "/users/{id}/messages/{id}/move", False),
        ("Mail.ReadBasic.All", "GET", "/users/{id}/messages", True),
        ("MailboxSettings.Read", "GET", "/users/{id}/mailfolders/inbox/messagerules", True),
        ("Mail.ReadWrite", "GET", "/users/{id}/mailfolders/inbox/messagerules", False),
        ("User.Read.All", "GET", "/users/$count", True),
        ("User.Read.All", "GET", "/groups", False),
    ],
)
def test_which_permission_allows_what(role: str, method: str, template: str, allowed: bool) -> None:
    assert may(App(roles=(role,)), method, template) is allowed
    assert not may(App(roles=()), method, template)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Microsoft's published permission table is not on this machine")
def test_the_committed_table_is_cut_from_the_published_one() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert cut(published, served()) == {
        path: {method: sorted(names) for method, names in methods.items()} for path, methods in table().items()
    }

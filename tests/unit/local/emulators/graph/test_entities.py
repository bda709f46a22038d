"""The entity model is Microsoft's."""

import json
from pathlib import Path

import pytest

from local.emulators.graph import entities
from local.emulators.graph.entities import Property, cut

PUBLISHED = Path("/work/shared/graph/v1.0-Prod.csdl")
COMMITTED = Path(entities.__file__).with_name("entities.json")


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Microsoft's entity model (CSDL) is not on this machine")
def test_the_committed_model_is_cut_from_the_published_one() -> None:
    assert cut(PUBLISHED) == json.loads(COMMITTED.read_text(encoding="utf-8"))


def test_all_types_are_there_and_complete() -> None:
    known = entities.types().keys() | entities.enumerations().keys()
    for one in entities.types().values():
        for found in one.properties.values():
            assert found.relationship or found.type.startswith("Edm.") or found.type in known, found


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        ("message", "ID", Property("id", "Edm.String", nullable=False)),
        ("message", "torecipients", Property("toRecipients", "recipient", collection=True)),
        ("message", "categories", Property("categories", "Edm.String", collection=True)),
        ("message", "attachments", Property("attachments", "attachment", collection=True, relationship=True)),
        ("recipient", "emailAddress", Property("emailAddress", "emailAddress")),
        ("recipient", "address", None),
    ],
)
def test_properties(owner: str, name: str, expected: Property | None) -> None:
    assert entities.types()[owner].find(name) == expected


def test_operations_on_collections() -> None:
    assert entities.types()["message"].operations == {"delta"}
    assert {"delta", "getbyids"} <= entities.operations()

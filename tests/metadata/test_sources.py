"""A source is one module; the templates know its name from names.json, and give it a secret."""

from functions.ingest_alert.sources import find, names
from shared.names import SOURCES


def test_the_templates_know_every_source() -> None:
    assert names() == set(SOURCES)


def test_every_source_can_be_found() -> None:
    assert all(find(name) is not None for name in SOURCES)

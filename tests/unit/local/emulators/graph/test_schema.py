"""Whatever is answered exists in Microsoft's entity model, with that type."""

import xml.etree.ElementTree as ET
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from local.emulators.graph.kinds import CONTACT, GROUP, MAIL_FOLDER, MESSAGE, ROLE, TRACE, USER, Kind
from tests.unit.local.emulators.graph.world import ANNA, LIST, Client
from tests.unit.local.emulators.graph.world import CONTACT as CONTACT_ID

CSDL = Path("/work/shared/graph/v1.0-Prod.csdl")
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
PLAIN = {
    "Edm.String": str,
    "Edm.Boolean": bool,
    "Edm.Int32": int,
    "Edm.DateTimeOffset": str,
    "Edm.Binary": str,
    "Edm.Guid": str,
}

pytestmark = pytest.mark.skipif(not CSDL.exists(), reason="Microsoft's entity model (CSDL) is not on this machine")


@cache
def model() -> dict[str, ET.Element]:
    """Types of `microsoft.graph` by name."""
    root = ET.parse(CSDL).getroot()  # noqa: S314 - Microsoft's file, read-only
    graph = next(schema for schema in root.iter(f"{EDM}Schema") if schema.get("Namespace") == "microsoft.graph")
    return {str(element.get("Name")): element for element in graph if element.get("Name")}


def properties(name: str) -> dict[str, tuple[str, bool]]:
    """Property → (type, nullable), base types included."""
    element = model()[name]
    base = element.get("BaseType")
    found = properties(base.removeprefix("graph.")) if base else {}
    for child in element:
        if child.tag in {f"{EDM}Property", f"{EDM}NavigationProperty"}:
            found[str(child.get("Name"))] = (str(child.get("Type")), child.get("Nullable") != "false")
    return found


def check_value(value: Any, kind: str, nullable: bool, where: str) -> None:
    if value is None:
        assert nullable, f"{where} is never null"
        return
    if kind.startswith("Collection("):
        assert isinstance(value, list), where
        for item in value:
            check_value(item, kind[len("Collection(") : -1], False, where)
        return
    if kind in PLAIN:
        assert type(value) is PLAIN[kind], f"{where}: {value!r} is no {kind}"
        if kind == "Edm.DateTimeOffset":
            assert datetime.fromisoformat(str(value)).tzinfo is not None
        return
    name = kind.removeprefix("graph.")
    element = model()[name]
    if element.tag == f"{EDM}EnumType":
        assert value in {member.get("Name") for member in element.iter(f"{EDM}Member")}, f"{where}: {value!r}"
        return
    check_object(value, name, where)


def check_object(document: dict[str, Any], name: str, where: str) -> None:
    known = properties(name)
    for key, value in document.items():
        if "@" in key:
            continue
        assert key in known, f"{where}: {name} has no {key}"
        check_value(value, *known[key], f"{where}.{key}")


def everything(kind: Kind) -> str:
    return ",".join(name for name in kind.getters if name != "singleValueExtendedProperties")


EXPAND = quote("singleValueExtendedProperties($filter=id eq 'String 0x1042' or id eq 'SystemTime 0x1082')")
OBJECTS = [
    ("message", f"/users/{ANNA}/messages?$top=100&$expand={EXPAND}"),
    ("message", f"/users/{ANNA}/mailFolders/sentitems/messages?$select={everything(MESSAGE)}"),
    ("mailFolder", f"/users/{ANNA}/mailFolders?$top=100&includeHiddenFolders=true&$select={everything(MAIL_FOLDER)}"),
    ("messageRule", f"/users/{ANNA}/mailFolders/inbox/messageRules"),
    ("mailboxSettings", f"/users/{ANNA}/mailboxSettings"),
    ("user", f"/users?$select={everything(USER)}"),
    ("user", f"/users/{ANNA}"),
    ("group", f"/groups?$select={everything(GROUP)}"),
    ("orgContact", f"/contacts/{CONTACT_ID}?$select={everything(CONTACT)}"),
    ("directoryRole", f"/directoryRoles?$select={everything(ROLE)}"),
    ("exchangeMessageTrace", f"/admin/exchange/tracing/messageTraces?$select={everything(TRACE)}"),
]


@pytest.mark.parametrize(("name", "url"), OBJECTS)
async def test_answers_are_of_the_model(graph: Client, name: str, url: str) -> None:
    answer = await graph.get(url)
    assert answer.status == 200, answer.body
    documents = answer.body.get("value", [answer.body])
    assert documents
    for document in documents:
        check_object(document, name, name)


async def test_members_say_what_they_are(graph: Client) -> None:
    for document in (await graph.get(f"/groups/{LIST}/members")).values:
        check_object(document, document["@odata.type"].removeprefix("#microsoft.graph."), "member")


@pytest.mark.parametrize("kind", [MESSAGE, MAIL_FOLDER, USER, GROUP, CONTACT, ROLE, TRACE], ids=lambda kind: kind.name)
def test_property_names(kind: Kind) -> None:
    assert set(kind.getters) | kind.unserved <= set(properties(kind.name))


def test_nothing_of_a_message_is_forgotten() -> None:
    """What is neither served nor known as unserved would be answered 400 where Graph has it."""
    assert set(properties("message")) == set(MESSAGE.getters) | MESSAGE.unserved
    assert set(properties("mailFolder")) == set(MAIL_FOLDER.getters) | MAIL_FOLDER.unserved

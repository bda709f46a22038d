"""Everything that is answered exists in Microsoft's entity model, with the type that it has there."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from local.emulators.graph import entities
from local.emulators.graph.entities import Property
from local.emulators.graph.kinds import CONTACT, GROUP, MAIL_FOLDER, MESSAGE, ROLE, TRACE, USER, Kind
from tests.unit.local.emulators.graph.world import ANNA, LIST, Client
from tests.unit.local.emulators.graph.world import CONTACT as CONTACT_ID

PLAIN = {
    "Edm.String": str,
    "Edm.Boolean": bool,
    "Edm.Int32": int,
    "Edm.DateTimeOffset": str,
    "Edm.Binary": str,
    "Edm.Guid": str,
}


def check_value(value: Any, of: Property, where: str) -> None:
    if not of.collection:
        check_one(value, of, where)
        return
    assert isinstance(value, list), where
    for item in value:
        assert item is not None, where
        check_one(item, of, where)


def check_one(value: Any, of: Property, where: str) -> None:
    if value is None:
        assert of.nullable, f"{where} is never null"
    elif of.type in PLAIN:
        assert type(value) is PLAIN[of.type], f"{where}: {value!r} is no {of.type}"
        if of.type == "Edm.DateTimeOffset":
            assert datetime.fromisoformat(str(value)).tzinfo is not None
    elif of.type in entities.enumerations():
        assert value in entities.enumerations()[of.type], f"{where}: {value!r}"
    else:
        check_object(value, of.type, where)


def check_object(document: dict[str, Any], name: str, where: str) -> None:
    for key, value in document.items():
        if "@" in key:
            continue
        found = entities.types()[name].find(key)
        assert found is not None, f"{where}: {name} has no {key}"
        assert found.name == key
        check_value(value, found, f"{where}.{key}")


def everything(kind: Kind) -> str:
    return ",".join(name for name in kind.getters if name != "singleValueExtendedProperties")


EXPAND = quote("singleValueExtendedProperties($filter=id eq 'String 0x1042' or id eq 'SystemTime 0x1082')")
OBJECTS = [
    ("message", f"/users/{ANNA}/messages?$top=100&$expand={EXPAND}"),
    ("message", f"/users/{ANNA}/mailFolders/sentitems/messages?$select={everything(MESSAGE)}"),
    ("mailFolder", f"/users/{ANNA}/mailFolders?$top=100&includeHiddenFolders=true&$select={everything(MAIL_FOLDER)}"),
    ("messageRule", f"/users/{ANNA}/mailFolders/inbox/messageRules"),
    ("mailboxSettings", f"/users/{ANNA}/mailboxSettings?$select=userPurpose"),
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
    names = {one.name for one in kind.entity.properties.values()}
    assert {*kind.getters, *kind.default, *kind.always} <= names

"""Graph's entity model, cut down to the types that are served here.

`entities.json` is written by `python -m local.emulators.graph.entities CSDL` from Microsoft's published model
(graph/v1.0-Prod.csdl of the reference folder). It has the types of `ROOTS`, whatever their structural properties
consist of, the members of enumerations, and the operations that are bound to collections of these types.
Relationships (navigation properties) are named with their type and not followed.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

_FILE = Path(__file__).with_name("entities.json")

ROOTS = (
    "message", "mailFolder", "messageRule", "singleValueLegacyExtendedProperty", "user", "group", "orgContact",
    "directoryObject", "directoryRole", "exchangeMessageTrace",
)  # fmt: skip
"""The entity types that are served."""

_EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
_NAMESPACE = "microsoft.graph"
_ALIAS = "graph."
NAMESPACES = (f"{_NAMESPACE}.", _ALIAS)
"""What the name of a type or operation in a path may begin with."""
_COLLECTION = "Collection("


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a type.

    Args:
        name: as the model spells it.
        type: a primitive type (`Edm.String`), or the name of a complex, entity or enumeration type.
        collection: whether it holds many values of that type.
        nullable: whether null is among its values.
        relationship: whether it is a navigation property.
    """

    name: str
    type: str
    collection: bool = False
    nullable: bool = True
    relationship: bool = False


@dataclass(frozen=True, slots=True)
class EntityType:
    """An entity or complex type with its properties, those of its base types included."""

    name: str
    properties: Mapping[str, Property]
    """By name in lower case: Graph's property names do not differ in case."""
    operations: frozenset[str]
    """Functions and actions on a collection of the type, such as `delta`; in lower case."""

    def find(self, name: str) -> Property | None:
        """The property of this name, whatever its case."""
        return self.properties.get(name.lower())


@cache
def types() -> Mapping[str, EntityType]:
    """All entity and complex types, by name."""
    return {name: _read(name, raw) for name, raw in _document()["types"].items()}


@cache
def enumerations() -> Mapping[str, tuple[str, ...]]:
    """The members of each enumeration type, by its name."""
    return {name: tuple(members) for name, members in _document()["enumerations"].items()}


@cache
def operations() -> frozenset[str]:
    """Functions and actions on collections of any of the types, in lower case."""
    return frozenset(name for one in types().values() for name in one.operations)


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return document


def _read(name: str, raw: dict[str, Any]) -> EntityType:
    required = set(raw.get("required", ()))
    found = [
        Property(key, _element(kind), kind.startswith(_COLLECTION), key not in required, relationship)
        for section, relationship in (("properties", False), ("relationships", True))
        for key, kind in raw.get(section, {}).items()
    ]
    return EntityType(
        name, {one.name.lower(): one for one in found}, frozenset(one.lower() for one in raw.get("operations", ()))
    )


def _element(kind: str) -> str:
    return kind[len(_COLLECTION) : -1] if kind.startswith(_COLLECTION) else kind


def cut(csdl: Path) -> dict[str, Any]:
    """The content of `entities.json`, from the published model."""
    root = ET.parse(csdl).getroot()  # noqa: S314 - Microsoft's own file, given by the developer
    schema = next(one for one in root.iter(f"{_EDM}Schema") if one.get("Namespace") == _NAMESPACE)
    elements = {
        str(one.get("Name")): one
        for one in schema
        if one.tag in {f"{_EDM}{kind}" for kind in ("EntityType", "ComplexType", "EnumType")}
    }
    found: dict[str, dict[str, Any]] = {}
    members: dict[str, list[str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in found or name in members or name not in elements:
            continue
        if elements[name].tag == f"{_EDM}EnumType":
            members[name] = [str(one.get("Name")) for one in elements[name].iter(f"{_EDM}Member")]
            continue
        found[name] = _describe(name, elements)
        waiting.extend(_element(kind) for kind in found[name]["properties"].values())
    for name, names in _operations(schema, elements, set(found)).items():
        found[name]["operations"] = sorted(names)
    return {"types": dict(sorted(found.items())), "enumerations": dict(sorted(members.items()))}


def _describe(name: str, elements: Mapping[str, ET.Element]) -> dict[str, Any]:
    """A type's own properties and those of its base types."""
    properties: dict[str, str] = {}
    relationships: dict[str, str] = {}
    required: list[str] = []
    for one in _lineage(name, elements):
        for child in elements[one]:
            key, kind = str(child.get("Name")), str(child.get("Type")).replace(_ALIAS, "")
            if child.tag == f"{_EDM}Property":
                properties[key] = kind
            elif child.tag == f"{_EDM}NavigationProperty":
                relationships[key] = kind
            else:
                continue
            if child.get("Nullable") == "false":
                required.append(key)
    described: dict[str, Any] = {"properties": properties}
    if relationships:
        described["relationships"] = relationships
    if required:
        described["required"] = sorted(required)
    return described


def _lineage(name: str, elements: Mapping[str, ET.Element]) -> list[str]:
    """The type and its base types, the oldest first."""
    line: list[str] = []
    current = name
    while current in elements:
        line.insert(0, current)
        current = str(elements[current].get("BaseType", "")).removeprefix(_ALIAS)
    return line


def _operations(schema: ET.Element, elements: Mapping[str, ET.Element], wanted: set[str]) -> Mapping[str, set[str]]:
    """Type → names of the functions and actions that are bound to a collection of it or of a base type."""
    bound: dict[str, set[str]] = {}
    for one in schema:
        if one.tag in {f"{_EDM}Function", f"{_EDM}Action"} and one.get("IsBound") == "true":
            parameter = one.find(f"{_EDM}Parameter")
            kind = "" if parameter is None else str(parameter.get("Type")).replace(_ALIAS, "")
            if kind.startswith(_COLLECTION):
                bound.setdefault(_element(kind), set()).add(str(one.get("Name")))
    found = {name: {n for one in _lineage(name, elements) for n in bound.get(one, ())} for name in wanted}
    return {name: names for name, names in found.items() if names}


def _main() -> None:
    _FILE.write_text(json.dumps(cut(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _main()

"""The tenant's dataclasses as JSON.

Keys are the field names (without a trailing underscore), fields that have their default are left out, times
are RFC 3339 in UTC. Reading is strict: an unknown key, a wrong type or a time without a zone is a
`ModelError`.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class ModelError(ValueError):
    """A malformed tenant file or an inconsistent tenant. The message names the place."""


def to_json(item: Any) -> Any:
    """The JSON value of a dataclass of the model."""
    return _encoder(_type(item))(item)


def from_json(kind: type[T], value: Any, where: str = "$") -> T:
    """Read a dataclass of the type `kind`; `ModelError` with the place if `value` is not one."""
    key: Any = kind
    reader: Callable[[Any, str], T] = _decoder(key)
    return reader(value, where)


def _type(item: Any) -> Any:
    # As Any: mypy does not accept a class as the key of a cache.
    return type(item)


@cache
def _encoder(kind: Any) -> Callable[[Any], Any]:
    """How to write values of this type. Computed once per type: a tenant has 100,000 messages."""
    if kind is datetime:
        return lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if issubclass(kind, StrEnum):
        return str
    if kind is tuple:
        return lambda value: [_encoder(_type(item))(item) for item in value]
    if not hasattr(kind, "__dataclass_fields__"):
        return lambda value: value
    plan = [(field.name, field.name.rstrip("_"), field.default) for field in fields(kind)]

    def encode(item: Any) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for name, key, default in plan:
            value = getattr(item, name)
            if default is MISSING or value != default:
                document[key] = _encoder(_type(value))(value)
        return document

    return encode


@cache
def _decoder(kind: Any) -> Callable[[Any, str], Any]:
    """How to read values of this type. Computed once per type."""
    if typing.get_origin(kind) is tuple:
        return _tuple_decoder(typing.get_args(kind)[0])
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        inner = _decoder(next(arg for arg in typing.get_args(kind) if arg is not type(None)))
        return lambda value, where: None if value is None else inner(value, where)
    if kind is datetime:
        return _read_datetime
    if issubclass(kind, StrEnum):
        return lambda value, where: _read_enum(kind, value, where)
    if hasattr(kind, "__dataclass_fields__"):
        return _dataclass_decoder(kind)
    return lambda value, where: _read_plain(kind, value, where)


def _tuple_decoder(of: Any) -> Callable[[Any, str], Any]:
    def decode(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ModelError(f"{where}: a list is expected")
        inner = _decoder(of)
        return tuple(inner(item, f"{where}[{index}]") for index, item in enumerate(value))

    return decode


def _dataclass_decoder(kind: type) -> Callable[[Any, str], Any]:
    hints = typing.get_type_hints(kind)
    readers = {field.name.rstrip("_"): (field.name, _decoder(hints[field.name])) for field in fields(kind)}
    required = {field.name.rstrip("_") for field in fields(kind) if field.default is MISSING}

    def decode(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise ModelError(f"{where}: an object is expected")
        given: dict[str, Any] = {}
        for key, inner in value.items():
            if key not in readers:
                raise ModelError(f"{where}: {kind.__name__} has no {key!r}")
            name, read = readers[key]
            given[name] = read(inner, f"{where}.{key}")
        if missing := required - value.keys():
            raise ModelError(f"{where}: {kind.__name__} needs {sorted(missing)}")
        return kind(**given)

    return decode


def _read_datetime(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ModelError(f"{where}: not a time: {value!r}") from None
    if moment.tzinfo is None:
        raise ModelError(f"{where}: a time without a zone: {value!r}")
    return moment.astimezone(UTC)


def _read_enum(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        raise ModelError(f"{where}: {value!r} is none of {[str(one) for one in kind]}") from None


def _read_plain(kind: type, value: Any, where: str) -> Any:
    # `type` and not `isinstance`: for Python, True is an int too.
    if type(value) is not kind:
        raise ModelError(f"{where}: {kind.__name__} is expected, not {value!r}")
    return value

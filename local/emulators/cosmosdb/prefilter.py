"""What SQLite can do for a WHERE clause: a condition that holds for every item that the clause can let through.

It only has to be necessary. Each item that passes is judged again by the compiled clause, so whatever is not
understood here is simply left out.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.partition import make_key
from local.emulators.cosmosdb.sql import tree
from local.emulators.cosmosdb.sql.evaluate import constant
from local.emulators.cosmosdb.values import MAX_EXACT_INTEGER, dumps, is_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.emulators.cosmosdb.container import Container

Path = tuple[str, ...]

# Names that need no quoting, in SQLite's JSON paths and in SQL.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# More combinations of partition key values than this are not worth listing.
_MAX_KEYS: Final = 2000
_MIRRORED: Final = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Constraint:
    """The property is one of `choices` (None: unknown), not below `low` and not above `high`."""

    choices: frozenset[Any] | None = None
    low: Any = None
    high: Any = None

    def both(self, other: Constraint) -> Constraint:
        """What must hold if both must."""
        if self.choices is None or (other.choices is not None and len(other.choices) < len(self.choices)):
            choices = other.choices
        else:
            choices = self.choices
        return Constraint(
            choices, other.low if self.low is None else self.low, other.high if self.high is None else self.high
        )


Constraints = dict[Path, Constraint]


@dataclass(frozen=True, slots=True)
class Prefilter:
    """An SQL condition with its parameters.

    `equal` are the SQL expressions in it that have one value each, which makes them a good start of an index. `keys`
    are the texts of the logical partitions that the condition names (None: it names none).
    """

    sql: str
    parameters: list[Any]
    equal: tuple[str, ...]
    keys: tuple[str, ...] | None


def prefilter(
    where: tree.Expression | None, alias: str, parameters: Mapping[str, Any], container: Container
) -> Prefilter:
    """For a WHERE clause in which `alias` names the item."""
    constraints = _constraints(where, alias, parameters) if where is not None else {}
    conditions: list[str] = []
    values: list[Any] = []
    keys = _partition_keys(constraints, container)
    if keys is not None:
        _one_of("pk", frozenset(keys), conditions, values)
    equal = []
    for path, constraint in constraints.items():
        if path == ("id",):
            if constraint.choices is not None:
                # With several partitions, a lookup per pair of key and id would be slower than none.
                column = "id" if keys is not None and len(keys) == 1 else "+id"
                _one_of(column, constraint.choices, conditions, values)
        elif not (keys is not None and path in container.key.paths):
            expression = f"json_extract(body, {json_path(path)})"
            if constraint.choices is not None and len(constraint.choices) == 1 and None not in constraint.choices:
                equal.append(expression)
            _constrain(expression, constraint, conditions, values)
    texts = None if keys is None else tuple(keys)
    return Prefilter(" AND ".join(conditions) or "1", values, tuple(sorted(equal)), texts)


def json_path(path: Path) -> str:
    """The path as a string literal of SQLite. Names that are not plain are quoted; none holds a quote itself."""
    steps = ".".join(step if _PLAIN_NAME.fullmatch(step) else f'"{step}"' for step in path).replace("'", "''")
    return f"'$.{steps}'"


def _partition_keys(constraints: Constraints, container: Container) -> list[str] | None:
    choices = []
    for path in container.key.paths:
        constraint = constraints.get(path)
        if constraint is None or constraint.choices is None:
            return None
        # In Python true equals 1, so a set holds only one of them. As partition keys they differ.
        alike = [bool(value) if type(value) is int else int(value) for value in constraint.choices if value in (0, 1)]
        choices.append(sorted([*constraint.choices, *alike], key=repr))
    combinations = list(itertools.islice(itertools.product(*choices), _MAX_KEYS + 1))
    if len(combinations) > _MAX_KEYS:
        return None
    try:
        return [make_key(list(values)).text for values in combinations]
    except CosmosError:
        return None


def _one_of(column: str, choices: frozenset[Any], conditions: list[str], values: list[Any]) -> None:
    if len(choices) == 1 and None not in choices:
        conditions.append(f"{column} = ?")
        values.append(_sqlite(next(iter(choices))))
        return
    condition = f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - columns are ours
    values.append(dumps([choice for choice in choices if choice is not None]))
    # SQLite's NULL stands for JSON's null and for a missing property alike.
    conditions.append(f"({condition} OR {column} IS NULL)" if None in choices else condition)


def _constrain(expression: str, constraint: Constraint, conditions: list[str], values: list[Any]) -> None:
    if constraint.choices is not None:
        _one_of(expression, constraint.choices, conditions, values)
    if constraint.low is not None:
        conditions.append(f"{expression} >= ?")
        values.append(_sqlite(constraint.low))
    if constraint.high is not None:
        conditions.append(f"{expression} <= ?")
        values.append(_sqlite(constraint.high))


def _constraints(node: tree.Expression, alias: str, parameters: Mapping[str, Any]) -> Constraints:
    match node:
        case tree.Binary("AND", left, right):
            return _both(_constraints(left, alias, parameters), _constraints(right, alias, parameters))
        case tree.Binary("OR", left, right):
            return _either(_constraints(left, alias, parameters), _constraints(right, alias, parameters))
        case tree.Binary(operator, left, right) if operator in _MIRRORED:
            return _comparison(operator, left, right, alias, parameters) or _comparison(
                _MIRRORED[operator], right, left, alias, parameters
            )
        case tree.In(operand, choices, False):
            return _in(operand, choices, alias, parameters)
        case tree.Between(operand, low, high, False):
            return _both(
                _comparison(">=", operand, low, alias, parameters), _comparison("<=", operand, high, alias, parameters)
            )
        case _:
            return {}


def _both(left: Constraints, right: Constraints) -> Constraints:
    merged = dict(left)
    for path, constraint in right.items():
        merged[path] = merged[path].both(constraint) if path in merged else constraint
    return merged


def _either(left: Constraints, right: Constraints) -> Constraints:
    merged = {}
    for path in left.keys() & right.keys():
        one, two = left[path].choices, right[path].choices
        if one is not None and two is not None:
            merged[path] = Constraint(one | two)
    return merged


def _comparison(
    operator: str, side: tree.Expression, other: tree.Expression, alias: str, parameters: Mapping[str, Any]
) -> Constraints:
    path = _path(side, alias)
    try:
        value = constant(other, parameters)
    except LookupError:
        return {}
    if path is None or not _comparable(value):
        return {}
    if operator == "=":
        return {path: Constraint(frozenset([value]))}
    # Ranges are widened to include their bounds: SQLite cuts strings at a NUL, which moves them down, not up. Only
    # strings and numbers have ranges that both sides order alike.
    if not isinstance(value, str) and not is_number(value):
        return {}
    return {path: Constraint(low=value) if operator in (">", ">=") else Constraint(high=value)}


def _in(
    operand: tree.Expression, choices: tuple[tree.Expression, ...], alias: str, parameters: Mapping[str, Any]
) -> Constraints:
    path = _path(operand, alias)
    try:
        values = [constant(choice, parameters) for choice in choices]
    except LookupError:
        return {}
    if path is None or not all(_comparable(value) for value in values):
        return {}
    return {path: Constraint(frozenset(values))}


def _path(node: tree.Expression, alias: str) -> Path | None:
    """The property names from the item down, if all of them are plain."""
    steps: list[str] = []
    while isinstance(node, tree.Member):
        key = node.key.value if isinstance(node.key, tree.Literal) else None
        if not isinstance(key, str) or not _PLAIN_NAME.fullmatch(key):
            return None
        steps.insert(0, key)
        node = node.target
    return tuple(steps) if steps and isinstance(node, tree.Name) and node.name == alias else None


def _comparable(value: Any) -> bool:
    """Scalars that SQLite can hold and compare as JSON text does: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return value is None or type(value) in (bool, int, float)


def _sqlite(value: Any) -> Any:
    """Whole numbers beyond 64 bits become what SQLite, too, reads them as in JSON: doubles."""
    return float(value) if type(value) is int and abs(value) > MAX_EXACT_INTEGER else value

"""A tree compiled to closures over an environment: a list with one value per FROM alias, outermost first."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from local.emulators.cosmosdb.errors import SqlError
from local.emulators.cosmosdb.sql import operators, tree
from local.emulators.cosmosdb.sql.aggregates import AGGREGATES, Accumulator
from local.emulators.cosmosdb.sql.functions import FUNCTIONS, known_functions
from local.emulators.cosmosdb.values import UNDEFINED, canonical, equal, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.emulators.cosmosdb.sql.operators import Environment, Evaluator


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean while an expression is compiled.

    `aggregates` collects the aggregate calls of a grouped select list, whose results follow the aliases in the
    environment; None where aggregates are not allowed. `grouped` holds the GROUP BY expressions, or None where
    any property may be named.
    """

    names: Mapping[str, int]
    size: int
    parameters: Mapping[str, Any]
    root: bool = False
    aggregates: list[tuple[Callable[[], Accumulator], Evaluator]] | None = None
    grouped: tuple[tree.Expression, ...] | None = None

    def bind(self, alias: str) -> Scope:
        """This scope with one more alias, whose value comes next in the environment."""
        return replace(self, names={**self.names, alias: self.size}, size=self.size + 1, root=False)


def compile_expression(node: tree.Expression, scope: Scope) -> Evaluator:  # noqa: PLR0911 - one branch per form
    """Raises SqlError for unknown names, parameters and functions, and for misplaced aggregates."""
    if scope.grouped is not None and node in scope.grouped:
        scope = replace(scope, grouped=None, aggregates=None)
    match node:
        case tree.Literal(value):
            return lambda _env: value
        case tree.Parameter():
            constant = _parameter(node, scope)
            return lambda _env: constant
        case tree.Name():
            return _name(node, scope)
        case tree.Member():
            return _member(node, scope)
        case tree.Unary():
            return operators.unary(node.operator, compile_expression(node.operand, scope))
        case tree.Binary():
            left, right = compile_expression(node.left, scope), compile_expression(node.right, scope)
            return operators.binary(node.operator, left, right)
        case tree.Call():
            return _call(node, scope)
        case tree.Subquery():
            return _subquery(node, scope)
        case _:
            return _composite(node, scope)


def constant(node: tree.Expression, parameters: Mapping[str, Any]) -> Any:
    """The value of a literal or a parameter; raises LookupError for anything else."""
    match node:
        case tree.Literal(value):
            return value
        case tree.Parameter(name) if name in parameters:
            return parameters[name]
        case tree.Unary("-", operand):
            value = constant(operand, parameters)
            if is_number(value):
                return -value
    raise LookupError


def _parameter(node: tree.Parameter, scope: Scope) -> Any:
    if node.name not in scope.parameters:
        raise SqlError(f"The parameter '{node.name}' has no value.", position=node.position, code="SC2055")
    return scope.parameters[node.name]


def _name(node: tree.Name, scope: Scope) -> Evaluator:
    if node.name not in scope.names:
        raise SqlError(
            f"Identifier '{node.name}' could not be resolved.", position=node.position, length=len(node.name),
            code="SC2001",
        )  # fmt: skip
    if scope.grouped is not None:
        raise SqlError(
            f"Property reference '{node.name}' is invalid in the select list because it is not contained in either an "
            "aggregate function or the GROUP BY clause.",
            position=node.position,
            code="SC2102",
        )
    return operator.itemgetter(scope.names[node.name])


def _member(node: tree.Member, scope: Scope) -> Evaluator:
    path: list[str] = []
    inner: tree.Expression = node
    while isinstance(inner, tree.Member) and isinstance(inner.key, tree.Literal) and isinstance(inner.key.value, str):
        path.insert(0, inner.key.value)
        inner = inner.target
        if scope.grouped is not None and inner in scope.grouped:
            break
    if not path:
        return _indexed(node, scope)
    target = compile_expression(inner, scope)
    if len(path) == 1:
        name = path[0]

        def property_of(env: Environment) -> Any:
            value = target(env)
            return value.get(name, UNDEFINED) if type(value) is dict else UNDEFINED

        return property_of

    def walk(env: Environment) -> Any:
        value = target(env)
        for step in path:
            if type(value) is not dict or step not in value:
                return UNDEFINED
            value = value[step]
        return value

    return walk


def _indexed(node: tree.Member, scope: Scope) -> Evaluator:
    target, key = compile_expression(node.target, scope), compile_expression(node.key, scope)

    def index(env: Environment) -> Any:
        value, place = target(env), key(env)
        if type(value) is dict and type(place) is str:
            return value.get(place, UNDEFINED)
        if type(value) is list and type(place) is int and 0 <= place < len(value):
            return value[place]
        return UNDEFINED

    return index


def _call(node: tree.Call, scope: Scope) -> Evaluator:
    if node.name in AGGREGATES:
        return _aggregate(node, scope)
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise SqlError(
            f"'{node.name}' is not a function that the local Cosmos DB supports; it has {known_functions()}.",
            position=node.position, length=len(node.name), code="SC2005",
        )  # fmt: skip
    if not function.least <= len(node.arguments) <= function.most:
        raise SqlError(
            f"The {node.name} function requires {function.least} to {function.most} argument(s).",
            position=node.position, code="SC2050",
        )  # fmt: skip
    call = function.call
    arguments = [compile_expression(argument, scope) for argument in node.arguments]
    if len(arguments) == 1:
        only = arguments[0]
        return lambda env: call(only(env))
    return lambda env: call(*[argument(env) for argument in arguments])


def _aggregate(node: tree.Call, scope: Scope) -> Evaluator:
    if scope.aggregates is None:
        raise SqlError(
            f"The aggregate {node.name} is allowed in the select list only, and not inside another aggregate.",
            position=node.position, code="SC2103",
        )  # fmt: skip
    if len(node.arguments) != 1:
        raise SqlError(f"The {node.name} function requires 1 argument(s).", position=node.position, code="SC2050")
    argument = compile_expression(node.arguments[0], replace(scope, aggregates=None, grouped=None))
    scope.aggregates.append((AGGREGATES[node.name], argument))
    return operator.itemgetter(scope.size + len(scope.aggregates) - 1)


def _composite(node: tree.Expression, scope: Scope) -> Evaluator:
    match node:
        case tree.Conditional():
            condition, then = compile_expression(node.condition, scope), compile_expression(node.then, scope)
            otherwise = compile_expression(node.otherwise, scope)
            return lambda env: then(env) if condition(env) is True else otherwise(env)
        case tree.Between():
            operand = compile_expression(node.operand, scope)
            low, high = compile_expression(node.low, scope), compile_expression(node.high, scope)
            return operators.between(operand, low, high, negated=node.negated)
        case tree.In():
            return _in(node, scope)
        case tree.Like():
            operand, pattern = compile_expression(node.operand, scope), compile_expression(node.pattern, scope)
            return operators.like(operand, pattern, node.escape, negated=node.negated)
        case tree.ObjectLiteral(items):
            members = [(name, compile_expression(item, scope)) for name, item in items]
            return lambda env: {name: value for name, member in members if (value := member(env)) is not UNDEFINED}
        case tree.ArrayLiteral(items):
            elements = [compile_expression(item, scope) for item in items]
            return lambda env: [value for element in elements if (value := element(env)) is not UNDEFINED]
    raise AssertionError(node)


def _in(node: tree.In, scope: Scope) -> Evaluator:
    operand = compile_expression(node.operand, scope)
    try:
        known = frozenset(canonical(constant(choice, scope.parameters)) for choice in node.choices)
    except LookupError:
        choices = [compile_expression(choice, scope) for choice in node.choices]
    else:

        def among_constants(env: Environment) -> Any:
            value = operand(env)
            return UNDEFINED if value is UNDEFINED else (canonical(value) in known) is not node.negated

        return among_constants

    def among(env: Environment) -> Any:
        value = operand(env)
        if value is UNDEFINED:
            return UNDEFINED
        found = any(other is not UNDEFINED and equal(value, other) for choice in choices for other in [choice(env)])
        return found is not node.negated

    return among


def _subquery(node: tree.Subquery, scope: Scope) -> Evaluator:
    if scope.grouped is not None or scope.aggregates is not None:
        scope = replace(scope, grouped=None, aggregates=None)
    query = _inner_select(node.query, scope)
    if node.form == "EXISTS":
        return lambda env: any(True for _ in query.results(iter([env])))
    if node.form == "ARRAY":
        return lambda env: list(query.results(iter([env])))

    def scalar(env: Environment) -> Any:
        results = list(query.results(iter([env])))
        if len(results) > 1:
            raise SqlError("The cardinality of a scalar subquery result set cannot be greater than one.")
        return results[0] if results else UNDEFINED

    return scalar


@dataclass(frozen=True, slots=True)
class CompiledSelect:
    """A query ready to run over environments that hold its outer values (at the top: the item).

    ORDER BY is not its business: items come in their order, and subqueries have none.
    """

    sources: tuple[Callable[[Environment], Iterator[Any]], ...]
    where: Evaluator | None
    group: tuple[Evaluator, ...]
    aggregates: tuple[tuple[Callable[[], Accumulator], Evaluator], ...]
    project: Evaluator
    grouped: bool
    distinct: bool
    size: int
    skip: int
    take: int | None

    def rows(self, env: Environment) -> Iterator[Environment]:
        """The rows that FROM and WHERE make of one outer environment."""
        rows: Iterator[Environment] = iter([env])
        for source in self.sources:
            rows = _extend(rows, source)
        where = self.where
        return rows if where is None else (row for row in rows if where(row) is True)

    def results(self, outer: Iterator[Environment]) -> Iterator[Any]:
        """All that comes out: grouped, projected, made distinct and cut. Undefined results are dropped."""
        rows: Iterator[Environment] = (row for env in outer for row in self.rows(env))
        results = (self.project(row) for row in (self._groups(rows) if self.grouped else rows))
        kept = (result for result in results if result is not UNDEFINED)
        return _cut(_unique(kept) if self.distinct else kept, self.skip, self.take)

    def _groups(self, rows: Iterator[Environment]) -> Iterator[Environment]:
        """One environment per group: that of its first row, and after it the aggregates' results."""
        groups: dict[Any, tuple[Environment, list[Accumulator]]] = {}
        for row in rows:
            key = tuple(canonical(part(row)) for part in self.group)
            if key not in groups:
                groups[key] = (row, [make() for make, _ in self.aggregates])
            for accumulator, (_, argument) in zip(groups[key][1], self.aggregates, strict=True):
                accumulator.add(argument(row))
        if not groups and not self.group:
            groups[()] = ([UNDEFINED] * self.size, [make() for make, _ in self.aggregates])
        for row, accumulators in groups.values():
            yield [*row, *(accumulator.result() for accumulator in accumulators)]


def _extend(rows: Iterator[Environment], source: Callable[[Environment], Iterator[Any]]) -> Iterator[Environment]:
    return ([*row, value] for row in rows for value in source(row))


def _unique(results: Iterator[Any]) -> Iterator[Any]:
    seen = set()
    for result in results:
        key = canonical(result)
        if key not in seen:
            seen.add(key)
            yield result


def _cut(results: Iterator[Any], skip: int, take: int | None) -> Iterator[Any]:
    if take == 0:
        return
    for index, result in enumerate(results):
        if index >= skip:
            yield result
        if take is not None and index + 1 >= skip + take:
            return


def compile_select(select: tree.Select, scope: Scope) -> CompiledSelect:
    """Raises SqlError for whatever the service would refuse before running it."""
    sources = []
    aliases: set[str] = set()
    for place, source in enumerate(select.sources):
        if source.alias in aliases:
            raise SqlError(f"The input alias '{source.alias}' is specified more than once.", code="SC2105")
        aliases.add(source.alias)
        made, scope = _source(source, scope, first=place == 0)
        if made is not None:
            sources.append(made)
    where = None if select.where is None else compile_expression(select.where, scope)
    group = tuple(compile_expression(part, scope) for part in select.group_by)
    collected: list[tuple[Callable[[], Accumulator], Evaluator]] = []
    grouped = bool(group) or has_aggregate(select)
    inner = replace(scope, aggregates=collected, grouped=select.group_by) if grouped else scope
    project = _projection(select, inner)
    if grouped and select.order_by:
        raise SqlError("'ORDER BY' is not supported together with 'GROUP BY' or aggregates.", code="SC2104")
    skip, take = window(select, scope.parameters)
    return CompiledSelect(
        sources=tuple(sources), where=where, group=group, aggregates=tuple(collected), project=project,
        grouped=grouped, distinct=select.distinct, size=scope.size, skip=skip, take=take,
    )  # fmt: skip


def window(select: tree.Select, parameters: Mapping[str, Any]) -> tuple[int, int | None]:
    """How many results OFFSET skips, and how many TOP or LIMIT let through (None: all)."""
    if select.top is not None and select.offset is not None:
        raise SqlError("'TOP' cannot be used together with 'OFFSET LIMIT'.", code="SC2106")
    skip = 0 if select.offset is None else _whole("OFFSET", select.offset, parameters)
    if select.limit is not None:
        return skip, _whole("LIMIT", select.limit, parameters)
    return skip, None if select.top is None else _whole("TOP", select.top, parameters)


def _whole(clause: str, node: tree.Expression, parameters: Mapping[str, Any]) -> int:
    try:
        value = constant(node, parameters)
    except LookupError:
        raise SqlError(f"The parameter of {clause} has no value.", code="SC2055") from None
    if type(value) is not int or value < 0:
        raise SqlError(f"{clause} needs a whole number that is not negative.", code="SC2062")
    return value


def _inner_select(select: tree.Select, scope: Scope) -> CompiledSelect:
    if select.order_by:
        raise SqlError("The local Cosmos DB does not support ORDER BY in a subquery.", code="SC2000")
    return compile_select(select, replace(scope, root=False))


def _source(
    source: tree.Source, scope: Scope, *, first: bool
) -> tuple[Callable[[Environment], Iterator[Any]] | None, Scope]:
    if source.collection is None:
        return _whole_item(source, scope)
    inner = scope
    if first and scope.root and (origin := _origin(source.collection)) is not None:
        # FROM x IN anything.path: at the top, any name is the container's.
        inner = replace(scope, names={**scope.names, origin: 0})
    if isinstance(source.collection, tree.Subquery):
        query = _inner_select(source.collection.query, inner)
        return (lambda env: query.results(iter([env]))), scope.bind(source.alias)
    collection = compile_expression(source.collection, inner)

    def elements(env: Environment) -> Iterator[Any]:
        value = collection(env)
        if not source.each:
            return iter(()) if value is UNDEFINED else iter((value,))
        return iter(value) if type(value) is list else iter(())

    return elements, scope.bind(source.alias)


def _whole_item(source: tree.Source, scope: Scope) -> tuple[Callable[[Environment], Iterator[Any]] | None, Scope]:
    if scope.root:
        return None, replace(scope, names={source.alias: 0}, root=False)
    if source.alias not in scope.names:
        raise SqlError(f"Identifier '{source.alias}' could not be resolved.", code="SC2001")
    slot = scope.names[source.alias]
    return (lambda env: iter((env[slot],))), scope.bind(source.alias)


def _origin(node: tree.Expression) -> str | None:
    while isinstance(node, tree.Member):
        node = node.target
    return node.name if isinstance(node, tree.Name) else None


def _projection(select: tree.Select, scope: Scope) -> Evaluator:
    if select.value is not None:
        return compile_expression(select.value, scope)
    if not select.star:
        return compile_expression(
            tree.ObjectLiteral(tuple((column.name, column.expression) for column in select.columns)), scope
        )
    if len(select.sources) != 1:
        raise SqlError("'SELECT *' is only valid with a single input set.", code="SC2107")
    return _name(tree.Name(select.sources[0].alias, 0), scope)


def has_aggregate(part: tree.Select | tree.Expression) -> bool:
    """Whether the select list, or the expression, holds an aggregate. Subqueries have their own."""
    pending: list[Any] = [part]
    if isinstance(part, tree.Select):
        pending = [part.value, *(column.expression for column in part.columns)]
    while pending:
        node = pending.pop()
        if isinstance(node, tree.Call) and node.name in AGGREGATES:
            return True
        if not isinstance(node, tree.Subquery):
            pending.extend(tree.children(node))
    return False

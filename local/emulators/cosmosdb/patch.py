"""Partial document update: add, set, replace, remove, incr and move, with the service's own messages.

Rules and messages: "Partial document update in Azure Cosmos DB" and its "getting started" page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from local.emulators.cosmosdb.errors import CosmosError, bad_request, precondition_failed
from local.emulators.cosmosdb.sql.evaluate import Scope, compile_select
from local.emulators.cosmosdb.sql.parser import parse_predicate
from local.emulators.cosmosdb.store import SYSTEM_PROPERTIES
from local.emulators.cosmosdb.values import check_nesting, is_number, number

if TYPE_CHECKING:
    from local.emulators.cosmosdb.container import Container

# "The number of patch operations cannot exceed 10".
MAX_OPERATIONS: Final = 10
# A tuple: what was sent as a kind may be unhashable.
_KINDS: Final = ("add", "set", "replace", "remove", "incr", "move")
# No array of a document of 2 MB is longer.
_INDEX: Final = re.compile(r"[0-9]{1,7}")
_SYNTAX: Final = "Invalid patch request: check syntax of patch specification"


def apply(container: Container, document: dict[str, Any], specification: Any) -> None:
    """Changes the document in place.

    `specification` is `{"operations": [{"op", "path", "value" or "from"}], "condition": "from c where ..."}`, or the
    list of operations alone.

    Raises:
        CosmosError: 400 for an operation that cannot be done, 412 if the condition does not hold.
    """
    if isinstance(specification, list):
        specification = {"operations": specification}
    if not isinstance(specification, dict) or not isinstance(specification.get("operations"), list):
        raise bad_request(_SYNTAX)
    condition = specification.get("condition")
    if condition is not None and not _holds(condition, document):
        raise precondition_failed()
    operations = specification["operations"]
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise bad_request(f"The number of patch operations cannot exceed {MAX_OPERATIONS}, nor be zero.")
    for index, operation in enumerate(operations, start=1):
        _Operation(container, document, operation, index).run()
    check_nesting(document)


def _holds(condition: Any, document: dict[str, Any]) -> bool:
    if not isinstance(condition, str):
        raise bad_request(_SYNTAX)
    select = compile_select(parse_predicate(condition), Scope({}, 1, {}, root=True))
    return any(True for _ in select.results(iter([[document]])))


def _parse(path: Any) -> list[str]:
    """JSON Pointer (RFC 6901)."""
    if not isinstance(path, str) or not path.startswith("/") or len(path) == 1:
        raise bad_request(_SYNTAX)
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


class _Operation:
    """One operation; `index` counts from 1, as the messages do."""

    def __init__(self, container: Container, document: dict[str, Any], operation: Any, index: int) -> None:
        if not isinstance(operation, dict) or operation.get("op") not in _KINDS:
            raise bad_request(_SYNTAX)
        self._document = document
        self._operation = operation
        self._index = index
        self._path = str(operation.get("path"))
        self._steps = _parse(operation.get("path"))
        self._fixed = {("id",), *container.key.paths}
        self._check_target(self._steps)

    def _check_target(self, steps: list[str]) -> None:
        if steps[0] in SYSTEM_PROPERTIES:
            raise bad_request(f"Invalid patch request: Cannot patch system property {steps[0]}.")
        # The key of the item, or an object around it, would change in place.
        if any(fixed[: len(steps)] == tuple(steps) for fixed in self._fixed):
            raise bad_request(f"Invalid patch request: the id and the partition key cannot be patched: {self._path}.")

    def _fail(self, what: str) -> CosmosError:
        return bad_request(f"For Operation({self._index}): {what}")

    def run(self) -> None:
        kind = self._operation["op"]
        if kind == "move":
            self._move()
        elif kind == "remove":
            self._take(self._steps, "removed")
        elif "value" not in self._operation:
            raise bad_request(_SYNTAX)
        elif kind == "replace":
            self._replace()
        elif kind == "incr":
            self._increment()
        else:
            self._write(self._steps, self._operation["value"], insert=kind == "add")

    def _parent(self, steps: list[str]) -> Any:
        node: Any = self._document
        for step in steps[:-1]:
            if isinstance(node, dict) and step in node:
                node = node[step]
            elif isinstance(node, list) and _INDEX.fullmatch(step) and int(step) < len(node):
                node = node[int(step)]
            else:
                node = None
                break
        if not isinstance(node, (dict, list)):
            raise self._fail(
                f"{self._operation['op'].capitalize()} Operation can only create a child object of an existing "
                "node(array or object) and cannot create path recursively, no path found beyond: "
                f"'/{'/'.join(steps[:-1])}'."
            )
        return node

    def _place(self, node: list[Any], step: str, *, end: bool) -> int:
        """An index into the array; its length too if `end`, which `-` also means."""
        if end and step == "-":
            return len(node)
        if not _INDEX.fullmatch(step) or int(step) >= len(node) + end:
            raise self._fail(f"Index({step[:32]}) to operate on is out of array bounds.")
        return int(step)

    def _write(self, steps: list[str], value: Any, *, insert: bool) -> None:
        node, last = self._parent(steps), steps[-1]
        if isinstance(node, dict):
            node[last] = value
            return
        place = self._place(node, last, end=True)
        if insert or place == len(node):
            node.insert(place, value)
        else:
            node[place] = value

    def _existing(self, steps: list[str], done: str) -> tuple[Any, Any]:
        """The parent and the key of something that is there."""
        node, last = self._parent(steps), steps[-1]
        if isinstance(node, list):
            return node, self._place(node, last, end=False)
        if last not in node:
            raise self._fail(f"Node(/{'/'.join(steps)}) to be {done} is absent.")
        return node, last

    def _take(self, steps: list[str], done: str) -> Any:
        node, last = self._existing(steps, done)
        return node.pop(last)

    def _replace(self) -> None:
        node, last = self._existing(self._steps, "replaced")
        node[last] = self._operation["value"]

    def _increment(self) -> None:
        amount = self._operation["value"]
        if not is_number(amount):
            raise self._fail("the value of an increment is not a number.")
        node, last = self._parent(self._steps), self._steps[-1]
        if isinstance(node, dict) and last not in node:
            node[last] = amount
            return
        node, place = self._existing(self._steps, "incremented")
        if not is_number(node[place]):
            raise self._fail(f"Node({self._path}) is not a number.")
        total = number(node[place] + amount)
        if not is_number(total):
            raise self._fail(f"Node({self._path}) would leave the range of numbers.")
        node[place] = total

    def _move(self) -> None:
        source = _parse(self._operation.get("from"))
        self._check_target(source)
        if self._steps[: len(source)] == source:
            raise self._fail("a node cannot be moved into itself.")
        self._write(self._steps, self._take(source, "moved"), insert=True)

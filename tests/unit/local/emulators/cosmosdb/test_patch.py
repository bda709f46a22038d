"""Patch operations, one by one."""

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulators.cosmosdb.container import Container
from local.emulators.cosmosdb.errors import CosmosError
from local.emulators.cosmosdb.patch import apply
from local.emulators.cosmosdb.values import dumps

DOCUMENT = {
    "id": "1",
    "pk": "a",
    "n": 1,
    "list": [1, 2, 3],
    "o": {"k": 1, "a/b": 2, "~": 3},
    "s": "text",
    "huge": 1.7e308,
    "whole": 10**308,
}


@pytest.fixture
def container() -> Container:
    return Container.parse({"id": "c", "partitionKey": {"paths": ["/pk"]}}, database="db")


def patched(container: Container, *operations: Any, condition: str | None = None) -> Any:
    document = copy.deepcopy(DOCUMENT)
    apply(container, document, {"operations": list(operations), **({"condition": condition} if condition else {})})
    return document


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ({"op": "add", "path": "/new", "value": 1}, "new", 1),
        ({"op": "add", "path": "/n", "value": 5}, "n", 5),
        ({"op": "set", "path": "/n", "value": None}, "n", None),
        ({"op": "replace", "path": "/n", "value": [1]}, "n", [1]),
        ({"op": "incr", "path": "/n", "value": 0.5}, "n", 1.5),
        ({"op": "incr", "path": "/new", "value": 3}, "new", 3),
        ({"op": "add", "path": "/list/1", "value": 9}, "list", [1, 9, 2, 3]),
        ({"op": "add", "path": "/list/-", "value": 9}, "list", [1, 2, 3, 9]),
        ({"op": "add", "path": "/list/3", "value": 9}, "list", [1, 2, 3, 9]),
        ({"op": "set", "path": "/list/1", "value": 9}, "list", [1, 9, 3]),
        ({"op": "replace", "path": "/list/0", "value": 9}, "list", [9, 2, 3]),
        ({"op": "remove", "path": "/list/0"}, "list", [2, 3]),
        ({"op": "incr", "path": "/list/0", "value": -1}, "list", [0, 2, 3]),
        ({"op": "remove", "path": "/o/a~1b"}, "o", {"k": 1, "~": 3}),
        ({"op": "set", "path": "/o/~0", "value": 0}, "o", {"k": 1, "a/b": 2, "~": 0}),
        ({"op": "move", "from": "/o/k", "path": "/n"}, "n", 1),
        ({"op": "move", "from": "/list/2", "path": "/list/0"}, "list", [3, 1, 2]),
    ],
)
def test_operations(container: Container, operation: Any, path: str, expected: Any) -> None:
    assert patched(container, operation)[path] == expected


def test_operations_follow_each_other(container: Container) -> None:
    told = patched(
        container,
        {"op": "add", "path": "/new", "value": {}},
        {"op": "add", "path": "/new/k", "value": 1},
        {"op": "incr", "path": "/new/k", "value": 1},
    )
    assert told["new"] == {"k": 2}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "remove", "path": "/none"},
        {"op": "remove", "path": "/list/3"},
        {"op": "remove", "path": "/list/-1"},
        {"op": "add", "path": "/list/4", "value": 1},
        {"op": "add", "path": "/none/deep", "value": 1},
        {"op": "add", "path": "/s/deep", "value": 1},
        {"op": "incr", "path": "/s", "value": 1},
        {"op": "incr", "path": "/n", "value": "1"},
        {"op": "incr", "path": "/n", "value": True},
        {"op": "incr", "path": "/huge", "value": 1.7e308},
        {"op": "set", "path": "/id", "value": "2"},
        {"op": "set", "path": "/pk", "value": "b"},
        {"op": "remove", "path": "/pk"},
        {"op": "move", "from": "/pk", "path": "/n"},
        {"op": "move", "from": "/o", "path": "/o/k"},
        {"op": "move", "from": "/none", "path": "/n"},
        {"op": "set", "path": "/_etag", "value": "x"},
        {"op": "set", "path": "/_ts/x", "value": "x"},
        {"op": "set", "path": "n", "value": 1},
        {"op": "set", "path": "/", "value": 1},
        {"op": "set", "path": None, "value": 1},
        {"op": "set", "path": "/n"},
        {"op": "test", "path": "/n", "value": 1},
        {"op": [], "path": "/n", "value": 1},
        {"op": {}, "path": "/n", "value": 1},
        {"op": "set", "path": ["/n"], "value": 1},
        {"op": "set", "path": "/list/²", "value": 1},
        {"op": "set", "path": "/list/\uff11", "value": 1},
        {"op": "set", "path": "/list/" + "1" * 5000, "value": 1},
        {"op": "set", "path": "/list/1" + "1" * 5000 + "/x", "value": 1},
        {"op": "incr", "path": "/n", "value": None},
        {"op": "incr", "path": "/whole", "value": 10**308},
        {"op": "move", "from": ["/n"], "path": "/s"},
        {"op": "move", "path": "/s"},
        "set",
    ],
)
def test_what_cannot_be_done_is_400(container: Container, operation: Any) -> None:
    with pytest.raises(CosmosError) as error:
        patched(container, operation)
    assert error.value.status == 400


@pytest.mark.parametrize("specification", [None, [], {}, {"operations": {}}, {"operations": []}])
def test_no_list_of_operations_is_400(container: Container, specification: Any) -> None:
    with pytest.raises(CosmosError) as error:
        apply(container, {"id": "1", "pk": "a"}, specification)
    assert error.value.status == 400


odd_values = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, 10**308, 1.7e308, "", "a", "/a", "/list/0", "\0", "set"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["op", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)
odd_paths = st.one_of(
    odd_values, st.sampled_from(["/n", "/list", "/list/-", "/list/1", "/list/9", "/o/k", "/o/~", "//", "/~1/", "/new"])
)
odd_operations = st.fixed_dictionaries(
    {},
    optional={
        "op": st.one_of(st.sampled_from(["add", "set", "replace", "remove", "incr", "move"]), odd_values),
        "path": odd_paths,
        "from": odd_paths,
        "value": odd_values,
    },
)


@given(st.one_of(odd_values, st.lists(st.one_of(odd_operations, odd_values), max_size=3)))
def test_an_odd_patch_is_done_or_refused(specification: Any) -> None:
    container = Container.parse({"id": "c", "partitionKey": {"paths": ["/pk"]}}, database="db")
    document = copy.deepcopy(DOCUMENT)
    with suppress(CosmosError):
        apply(container, document, specification)
    assert (document["id"], document["pk"]) == ("1", "a")
    dumps(document)


def test_a_patch_does_not_nest_deeper_than_an_item_may() -> None:
    container = Container.parse({"id": "c", "partitionKey": {"paths": ["/pk"]}}, database="db")
    value: Any = 1
    for _ in range(100):
        value = [value]
    document: dict[str, Any] = {"id": "1", "pk": "a", "deep": copy.deepcopy(value)}
    with pytest.raises(CosmosError, match="nesting"):
        apply(container, document, {"operations": [{"op": "set", "path": "/deep" + "/0" * 100, "value": value}]})


def test_ten_operations_are_the_limit(container: Container) -> None:
    operation = {"op": "incr", "path": "/n", "value": 1}
    assert patched(container, *[operation] * 10)["n"] == 11
    with pytest.raises(CosmosError):
        patched(container, *[operation] * 11)


def test_a_condition_that_does_not_hold_is_412(container: Container) -> None:
    operation = {"op": "set", "path": "/n", "value": 2}
    assert patched(container, operation, condition="from c where c.n = 1 and ARRAY_CONTAINS(c.list, 3)")["n"] == 2
    with pytest.raises(CosmosError) as error:
        patched(container, operation, condition="from c where c.n = 2")
    assert error.value.status == 412
    # What is undefined does not hold.
    with pytest.raises(CosmosError) as error:
        patched(container, operation, condition="from c where c.none != 1")
    assert error.value.status == 412
    with pytest.raises(CosmosError) as error:
        patched(container, operation, condition="where c.n = 1")
    assert error.value.status == 400

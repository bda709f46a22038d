import json
from collections.abc import Iterable
from typing import Any

from functions.report.api.tree import MAX_DEPTH, Tree, path
from shared.domain.target import Hop, Target, Via
from tests.unit.functions.report.case import target


def tree(targets: Iterable[Target]) -> list[dict[str, Any]]:
    made = Tree()
    for one in targets:
        made.add(one)
    return made.roots


ALERT = Hop(via=Via.ALERT, name="clawback", ref="alert-1")
GROUP = Hop(via=Via.GROUP, name="all@contoso.example", ref="g-1")
FORWARD = Hop(via=Via.FORWARD, name="ann@contoso.example", ref="ann")


def test_hops_that_are_shared_are_one_node() -> None:
    targets = [
        target("carol", hops=(ALERT, GROUP, FORWARD)),
        target("ann", hops=(ALERT, GROUP)),
        target("bob", hops=(ALERT,)),
        target("dan", hops=(ALERT, GROUP)),
    ]
    assert tree(targets) == [
        {
            "via": "alert",
            "name": "clawback",
            "ref": "alert-1",
            "targets": ["target-bob"],
            "children": [
                {
                    "via": "group",
                    "name": "all@contoso.example",
                    "ref": "g-1",
                    "targets": ["target-ann", "target-dan"],
                    "children": [
                        {
                            "via": "forward",
                            "name": "ann@contoso.example",
                            "ref": "ann",
                            "targets": ["target-carol"],
                            "children": [],
                        }
                    ],
                }
            ],
        }
    ]


def test_the_same_hop_on_another_way_is_another_node() -> None:
    roots = tree([target("a", hops=(ALERT, FORWARD)), target("b", hops=(GROUP, FORWARD)), target("c", hops=())])
    assert [[child["targets"] for child in root["children"]] for root in roots] == [[["target-a"]], [["target-b"]]]


def test_the_way_in_a_line() -> None:
    assert path(target("c", hops=(ALERT, GROUP))) == "alert clawback > group all@contoso.example"


def test_a_way_of_a_thousand_hops_is_cut_and_that_is_said() -> None:
    hops = [Hop(via=Via.FORWARD, name=f"{number}@contoso.example", ref=str(number)) for number in range(1000)]
    targets = [
        target("far", hops=tuple(hops)),
        target("also", hops=tuple(hops[:-1])),
        target("end", hops=tuple(hops[:MAX_DEPTH])),
    ]

    found = tree(targets)

    assert json.loads(json.dumps(found)) == found
    level, (node,) = 1, found
    while node["children"]:
        assert (node["targets"], "cut" in node) == ([], False)
        level, (node,) = level + 1, node["children"]
    assert (level, node["cut"]) == (MAX_DEPTH, True)
    assert node["targets"] == ["target-far", "target-also", "target-end"]


def test_a_way_that_fits_is_not_cut() -> None:
    hops = tuple(Hop(via=Via.FORWARD, name=str(number)) for number in range(MAX_DEPTH))
    assert "cut" not in json.dumps(tree([target("a", hops=hops)]))

from functions.report.api.tree import path, tree
from shared.domain.target import Hop, Via
from tests.unit.functions.report.case import target

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

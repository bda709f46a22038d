"""How the mail got to everybody: the hops of all targets, put together."""

from collections.abc import Iterable
from typing import Any

from shared.domain.target import Hop, Target


def tree(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Nested nodes, each a hop with the targets that it ends at and the hops that follow it."""
    roots: list[dict[str, Any]] = []
    nodes: dict[tuple[Hop, ...], dict[str, Any]] = {}
    for target in targets:
        below = roots
        node: dict[str, Any] | None = None
        for depth in range(1, len(target.hops) + 1):
            way = target.hops[:depth]
            node = nodes.get(way)
            if node is None:
                node = nodes[way] = {**way[-1].to_document(), "targets": [], "children": []}
                below.append(node)
            below = node["children"]
        if node is not None:
            node["targets"].append(target.id)
    return roots


def path(target: Target) -> str:
    """The way to one target in a line, such as `alert proofpoint_tap > group all@contoso.example`."""
    return " > ".join(f"{hop.via} {hop.name}" for hop in target.hops)

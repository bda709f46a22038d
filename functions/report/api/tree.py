"""How the mail got to everybody: the hops of targets, put together."""

from typing import Any

from shared.domain.target import Hop, Target

MAX_DEPTH = 100
"""Levels of a tree. A way with more hops ends at this level, where `cut` says so: deeper JSON cannot be written or read
everywhere."""


class Tree:
    """Nested nodes in `roots`: each a hop with the targets that it ends at and the hops that follow it.

    A node has `cut: true` if targets are listed there whose way has further hops.
    """

    def __init__(self) -> None:
        self.roots: list[dict[str, Any]] = []
        # Each node under the number of its parent and its hop; 0 is the parent of the roots.
        self._nodes: dict[tuple[int, Hop], tuple[int, dict[str, Any]]] = {}

    def add(self, target: Target) -> None:
        """Add the way to one target."""
        parent, below = 0, self.roots
        node: dict[str, Any] | None = None
        for hop in target.hops[:MAX_DEPTH]:
            known = self._nodes.get((parent, hop))
            if known is None:
                known = len(self._nodes) + 1, {**hop.to_document(), "targets": [], "children": []}
                self._nodes[parent, hop] = known
                below.append(known[1])
            parent, node = known
            below = node["children"]
        if node is not None:
            node["targets"].append(target.id)
            if len(target.hops) > MAX_DEPTH:
                node["cut"] = True


def path(target: Target) -> str:
    """The way to one target in a line, such as `alert proofpoint_tap > group all@contoso.example`."""
    return " > ".join(f"{hop.via} {hop.name}" for hop in target.hops)

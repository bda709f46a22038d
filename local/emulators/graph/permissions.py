"""The application permissions that a path needs: Microsoft's own table, cut down to the paths served here.

`permissions.json` is written by `python -m local.emulators.graph.permissions TABLE` from the published one
(graph/application-permissions.json of the reference folder). It gives for each path and method the permissions
of which a caller needs one.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from local.emulators.graph.http import Caller

_FILE = Path(__file__).with_name("permissions.json")

_LIKE = {"/users/$count": "/users", "/groups/$count": "/groups"}
"""Paths that the published table lacks, and the path whose permissions they have."""


@cache
def table() -> dict[str, dict[str, frozenset[str]]]:
    """Path template in lower case → method → permissions."""
    raw: dict[str, dict[str, list[str]]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return {path: {method: frozenset(names) for method, names in by.items()} for path, by in raw.items()}


def may(caller: Caller, method: str, template: str) -> bool:
    """Whether one of the caller's permissions allows the method and path (a template as in `routes`)."""
    accepted = table().get(template, {}).get(method, frozenset())
    return not accepted.isdisjoint(caller.roles)


def cut(published: dict[str, Any], wanted: dict[str, set[str]]) -> dict[str, dict[str, list[str]]]:
    """The table for the wanted paths and their methods.

    A few rows of the published table name `X.Read` for a GET and lack `X.ReadWrite`, which other rows and the
    documentation allow: it is added everywhere.
    """
    found: dict[str, dict[str, set[str]]] = {path: {m: set() for m in methods} for path, methods in wanted.items()}
    for permission, entry in published.items():
        for row in entry["paths"]:
            for path, methods in found.items():
                if row["path"].lower() == _LIKE.get(path, path):
                    for method in methods.keys() & set(row["methods"]):
                        methods[method].add(permission)
    for methods in found.values():
        for name in tuple(methods.get("GET", ())):
            writing = name.replace(".Read", ".ReadWrite")
            if ".Read." in f"{name}." and writing in published:
                methods["GET"].add(writing)
    return {path: {m: sorted(names) for m, names in sorted(by.items())} for path, by in sorted(found.items())}


def _main() -> None:
    from local.emulators.graph.routes import served  # noqa: PLC0415 - routes need this module's function, not its program

    published = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    _FILE.write_text(json.dumps(cut(published, served()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _main()

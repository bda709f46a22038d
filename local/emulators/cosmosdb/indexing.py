"""The indexing policy, as far as it decides which ORDER BY the service serves and which it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from local.emulators.cosmosdb.errors import SqlError, bad_request

DEFAULT_POLICY: Final[dict[str, Any]] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}
# Indexed whatever the policy says, unless the whole index is off.
_ALWAYS: Final = frozenset({("id",), ("_ts",)})

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """`/a/?` is exactly that property, `/a/*` everything from it downwards."""

    steps: Path
    exact: bool

    @classmethod
    def parse(cls, text: Any) -> _Pattern:
        if not isinstance(text, str) or not text.startswith("/"):
            raise bad_request(f"The indexing path '{text}' is invalid.")
        steps = [step.strip("\"'") for step in text[1:].split("/")]
        if steps[-1] not in ("?", "*"):
            raise bad_request(f"The indexing path '{text}' is invalid: it must end with '/?' or '/*'.")
        return cls(tuple(steps[:-1]), steps[-1] == "?")

    def covers(self, path: Path) -> bool:
        return path == self.steps if self.exact else path[: len(self.steps)] == self.steps

    @property
    def precision(self) -> tuple[int, bool]:
        return (len(self.steps), self.exact)


@dataclass(frozen=True, slots=True)
class IndexingPolicy:
    """`composites` holds, per composite index, its paths and whether each descends."""

    resource: dict[str, Any]
    enabled: bool
    included: tuple[_Pattern, ...]
    excluded: tuple[_Pattern, ...]
    composites: frozenset[tuple[tuple[Path, bool], ...]]

    @classmethod
    def parse(cls, policy: Any) -> IndexingPolicy:
        """Raises CosmosError 400 for a policy that the service would refuse."""
        policy = DEFAULT_POLICY if policy is None else policy
        if not isinstance(policy, dict) or policy.get("indexingMode", "consistent") not in ("consistent", "none"):
            raise bad_request("The indexing policy needs the indexingMode 'consistent' or 'none'.")
        included = _patterns(policy.get("includedPaths", DEFAULT_POLICY["includedPaths"]))
        excluded = _patterns(policy.get("excludedPaths", DEFAULT_POLICY["excludedPaths"]))
        enabled = policy.get("indexingMode", "consistent") == "consistent"
        if enabled and _Pattern((), exact=False) not in (*included, *excluded):
            raise bad_request('The special mandatory indexing path "\\/" is not provided in any of the path type sets.')
        composites = policy.get("compositeIndexes", [])
        if not isinstance(composites, list) or not all(isinstance(index, list) for index in composites):
            raise bad_request("The composite indexes are a list of lists.")
        return cls(dict(policy), enabled, included, excluded, frozenset(map(_composite, composites)))

    def check_order(self, order: list[tuple[Path, bool]]) -> None:
        """Raises SqlError when no index serves this ORDER BY, as the service does."""
        if not self.enabled or not all(self._indexes(path) for path, _ in order):
            raise SqlError("The index path corresponding to the specified order-by item is excluded.", code="SC2204")
        if len(order) > 1:
            backwards = tuple((path, not descending) for path, descending in order)
            if tuple(order) not in self.composites and backwards not in self.composites:
                raise SqlError(
                    "The order by query does not have a corresponding composite index that it can be served from.",
                    code="SC2205",
                )

    def _indexes(self, path: Path) -> bool:
        if path in _ALWAYS:
            return True
        inside = max((pattern.precision for pattern in self.included if pattern.covers(path)), default=(-1, False))
        outside = max((pattern.precision for pattern in self.excluded if pattern.covers(path)), default=(-1, False))
        return inside > outside


def _patterns(paths: Any) -> tuple[_Pattern, ...]:
    if not isinstance(paths, list) or not all(isinstance(entry, dict) for entry in paths):
        raise bad_request("Indexing paths are a list of objects with a 'path'.")
    return tuple(_Pattern.parse(entry.get("path")) for entry in paths)


def _composite(index: list[Any]) -> tuple[tuple[Path, bool], ...]:
    return tuple((_composite_path(part), part.get("order", "ascending") == "descending") for part in index)


def _composite_path(part: Any) -> Path:
    if not isinstance(part, dict) or not isinstance(part.get("path"), str) or not part["path"].startswith("/"):
        raise bad_request("A composite index is a list of objects with 'path' and 'order'.")
    return tuple(step.strip("\"'") for step in part["path"][1:].split("/"))

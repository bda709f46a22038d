"""What the API says of an incident. The only place of the command line that knows how its JSON is laid out."""

import json
from collections.abc import Iterator
from typing import Any

from cli.api import Api, objects, segment

Json = dict[str, Any]

_PATH = "incidents"
# Of one answer, which then stays below 2 MB.
_PAGE = 1000
# Of one list of a case: most cases fit into one answer.
_LIST_PAGE = 500
# The lists of a case, in the order in which a person reads them.
_LISTS = ("alerts", "messages", "plans", "commands")


class Case:
    """One incident as it is now: its header is read at once, its lists and targets when they are asked for.

    Raises:
        CommandError: the API refuses, cannot be reached, or answers something else than an incident.
    """

    def __init__(self, api: Api, incident: str) -> None:
        self.id = incident
        self._api = api
        self._path = f"{_PATH}/{segment(incident)}"
        self._document = api.get(f"{self._path}?top=1")
        (self._incident,) = objects([self._document.get("incident")])

    @property
    def header(self) -> Json:
        """Id, state, title, times, numbers."""
        return self._incident

    @property
    def counts(self) -> Json:
        """How many targets are in which state, were read, and for how long they were exposed."""
        (counts,) = objects([self._document.get("counts", self._incident.get("counts", {}))])
        return counts

    @property
    def tenant(self) -> Json:
        """What holds for the whole tenant: whether pulling is paused, and what automatic pulls took."""
        (tenant,) = objects([self._document.get("tenant", {})])
        return tenant

    @property
    def watch(self) -> Json:
        """Until when it is looked for what comes later; empty if it never was."""
        (watch,) = objects([self._document.get("watch", {})])
        return watch

    @property
    def needs_attention(self) -> dict[str, int]:
        """By state, how many ended targets have mail that a person can open, or that nobody has seen."""
        (needs,) = objects([self._document.get("needsAttention", {})])
        (by_state,) = objects([needs.get("byState", {})])
        return {state: int(number) for state, number in by_state.items()}

    @property
    def can_be_put_back(self) -> int:
        """How many targets an undo would put back now."""
        return int(self._document.get("canBePutBack", 0))

    def alerts(self) -> Iterator[Json]:
        """Links to the alerts that the incident was made of, with the policy's decision."""
        return self._list("alerts")

    def messages(self) -> Iterator[Json]:
        """The mails that the incident is about."""
        return self._list("messages")

    def plans(self) -> Iterator[Json]:
        """What is, was or waits to be pulled."""
        return self._list("plans")

    def waiting_plans(self) -> Iterator[Json]:
        """The plans that wait for a person."""
        return (plan for plan in self.plans() if waits(plan))

    def commands(self) -> Iterator[Json]:
        """What people asked to be done."""
        return self._list("commands")

    def targets(self) -> Iterator[Json]:
        """Every target, page after page."""
        for page in self._api.pages(self._path, f"?top={_PAGE}"):
            yield from objects(page.get("targets"))

    def verification(self) -> Json:
        """Whether the chain of the incident's activity is intact; it is checked part after part.

        The last part is returned, with the entries and anchors of all parts.
        """
        entries, anchors, last = 0, [], Json()
        for part in self._api.pages(f"{self._path}/verify-chain"):
            # A part that is not intact is the last one.
            last = part
            (chain,) = objects([part.get("chain", {})])
            entries += int(chain.get("entries", 0))
            anchors += objects(part.get("anchors", []))
        intact = bool(last.get("intact")) and all(anchor.get("holds") for anchor in anchors)
        chain = {**last.get("chain", {}), "entries": entries}
        rest = {name: value for name, value in last.items() if name != "next"}
        return {**rest, "intact": intact, "chain": chain, "anchors": anchors}

    def activity_csv(self) -> Iterator[str]:
        """The activity of all targets as CSV with one header row, page after page."""
        for number, page in enumerate(self._api.text_pages(f"{self._path}/activity.csv")):
            # No column name has a line end in it: the header is the first line.
            yield page.partition("\n")[2] if number else page

    def parts(self) -> dict[str, Any]:
        """Everything, for `--json`: objects and, where there may be many, iterators."""
        lists = {name: self._list(name) for name in _LISTS}
        return {"incident": self.header, "counts": self.counts, "watch": self.watch, **lists, "targets": self.targets()}

    def _list(self, name: str) -> Iterator[Json]:
        for page in self._api.pages(f"{self._path}/lists/{name}", f"?top={_LIST_PAGE}"):
            yield from objects(page.get(name))


def newest(api: Api, top: int | None = None) -> list[Json]:
    """The newest incidents, at most `top` of them, the newest first."""
    return objects(api.get(_PATH if top is None else f"{_PATH}?top={top}").get("incidents"))


def waits(plan: Json) -> bool:
    """Whether a person has to approve it."""
    return bool(plan.get("state") == "awaiting_approval")


def ask(api: Api, incident: str, command: str, body: Json) -> Json:
    """Ask for something to be done with the incident; the answer has the `commandId`."""
    return api.post(f"{_PATH}/{segment(incident)}/{command}", json.dumps(body).encode())

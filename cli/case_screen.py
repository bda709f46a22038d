"""`clawback incident show`: one case as text."""

from collections.abc import Iterable, Iterator
from typing import Any

from cli import show
from cli.case_json import Case, waits
from cli.text import safe

# Messages above the list of targets; `--json` has all of them.
_MESSAGES = 10

# Characters of who undid a mail, when and why: the API bounds each of them.
_LONG = 500


def print_case(case: Case) -> None:
    """Print the case and all its targets."""
    header, console = case.header, show.console()
    title = f"{safe(header.get('id'))}  {safe(header.get('state'))}  {safe(header.get('title'))}"
    console.print(title, style="bold")
    for line, style in _tenant_lines(case.tenant):
        console.print(line, style=style)
    for line, style in _case_lines(case):
        console.print(line, style=style)
    for table in show.targets(case.targets(), console.width):
        console.print(table)


def _tenant_lines(tenant: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if paused := tenant.get("paused"):
        who = f"{safe(paused.get('by'))} since {safe(paused.get('at'))}: {safe(paused.get('reason'))}"
        yield f"all pulling is paused by {who}", "yellow"
    if automatic := tenant.get("automatic"):
        hour, day = (safe(automatic.get(span, {}).get("targets")) for span in ("lastHour", "lastDay"))
        yield f"pulled without a person, all cases together: {hour} targets in the last hour, {day} in the last day", ""


def _case_lines(case: Case) -> Iterator[tuple[str, str]]:
    """Lines of text, safe to print, each with its style."""
    if needs := case.needs_attention:
        states = ", ".join(f"{number} {safe(state)}" for state, number in sorted(needs.items()))
        yield f"needs attention: {sum(needs.values())} targets may be reachable ({states})", "yellow"
    if watch := case.watch:
        is_watched = "was watched" if watch.get("ended") else "is watched"
        seen = f", last look at {safe(watch['lastLookAt'])}" if watch.get("lastLookAt") else ""
        yield f"{is_watched} until {safe(watch.get('until'))}{seen}", ""
    for link in case.alerts():
        decision = link.get("decision")
        text = f"{decision.get('action')} by rule {decision.get('rule')!r}" if decision else "not decided yet"
        about = f"{safe(link.get('id'))} from {safe(link.get('source'))}, {safe(link.get('severity'))}"
        yield f"alert {about}: {safe(text)}", ""
    more = 0
    for number, message in enumerate(case.messages()):
        if number < _MESSAGES:
            name = message.get("internetMessageId") or message.get("networkMessageId") or "without Message-ID"
            yield f"message {safe(name)} from {safe(message.get('sender'))}: {safe(message.get('subject'))}", ""
        else:
            more += 1
    if more:
        yield f"and {more} more messages (--json has all)", ""
    for plan in case.plans():
        yield from _plan_lines(plan)
    for command in case.commands():
        reason = f": {safe(command['reason'])}" if command.get("reason") else ""
        undo_class = f" ({safe(command['undoClass'])})" if command.get("undoClass") else ""
        who = f"{safe(command.get('by'))} at {safe(command.get('at'))}{undo_class}"
        yield f"{safe(command.get('command'))} requested by {who}{reason}", ""


def _plan_lines(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"plan {safe(plan.get('id'))}: {safe(plan.get('targets'))} targets, {safe(plan.get('state'))}", ""
    if (first := plan.get("firstApprovedBy")) and waits(plan):
        yield f"  approved by {safe(first)}: another person has to approve it too", "yellow"
    elif first:
        yield f"  first approved by {safe(first)} at {safe(plan.get('firstApprovedAt'))}", ""
    if by := plan.get("approvedBy"):
        yield f"  approved by {safe(by)} at {safe(plan.get('approvedAt'))}", ""
    label, style = ("needs approval", "yellow") if waits(plan) else ("needed approval", "")
    yield from _listed(label, plan.get("approvalReasons", []), style)
    for undone in plan.get("undone", []):
        yield f"  {safe(undone.get('text'), _LONG)}", style
    yield from _listed("note", plan.get("notes", []), "")


def _listed(label: str, texts: Iterable[object], style: str) -> Iterator[tuple[str, str]]:
    return ((f"  {label}: {safe(text)}", style) for text in texts)

"""The lists of a case: its alerts, messages, plans and commands, page by page."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from functions.report.api.models import ReadDeps
from functions.report.api.parameters import number_of, only, wrong_continuation
from shared.domain.ids import IncidentId
from shared.domain.incident import AlertLink, CaseDocument, CaseMessage, Command, Plan
from shared.errors import NotFoundError

_DEFAULT = 100
# A document of these is below 20 KB, but for a command that names a thousand targets.
_MAX = 500

_KINDS: dict[str, type[AlertLink | CaseMessage | Plan | Command]] = {
    "alerts": AlertLink,
    "messages": CaseMessage,
    "plans": Plan,
    "commands": Command,
}


def _shown(document: CaseDocument) -> dict[str, Any]:
    if isinstance(document, CaseMessage):
        return {"id": document.id, **document.message.to_document()}
    return document.to_document()


async def case_list(incident_id: IncidentId, name: str, query: Mapping[str, str], deps: ReadDeps) -> dict[str, Any]:
    """One page (`?top=&continuation=`) of the list of this name; `next` is the query of the following page.

    Raises:
        Problem: wrong-parameter.
        NotFoundError: there is no such case, or no such list.
    """
    if name not in _KINDS:
        raise NotFoundError("no such list")
    only(query, "top", "continuation")
    top, continuation = number_of(query, "top", 1, _MAX, default=_DEFAULT), query.get("continuation")
    await deps.incidents.read(incident_id)
    try:
        page = await deps.incidents.page(incident_id, _KINDS[name], top, continuation)
    except ValueError:
        raise wrong_continuation() from None
    following = {"top": top, "continuation": page.continuation}
    return {
        name: [_shown(document) for document in page.items],
        **({"next": f"?{urlencode(following)}"} if page.continuation else {}),
    }

"""What the routes for hidden mail take, and what they work with."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from shared.clock import Clock
from shared.domain.hidden import MAX_ITEMS
from shared.domain.ids import IncidentId
from shared.ports.evidence import EvidenceStore
from shared.ports.incidents import IncidentStore
from shared.ports.queue import MessageQueue
from shared.web.command_body import CommandBody
from shared.web.paths import ID


@dataclass(frozen=True)
class AskDeps:
    """The services of asking. Their identity touches no mailbox."""

    incidents: IncidentStore
    evidence: EvidenceStore
    queue: MessageQueue
    now: Clock


@dataclass(frozen=True)
class ReadDeps:
    """The services of reading."""

    evidence: EvidenceStore


# RFC 5321 4.5.3.1: 64 characters before the @, 255 behind it. An id of the directory is a GUID.
_Mailbox = Annotated[
    str,
    Field(
        min_length=1,
        max_length=320,
        pattern=r"^([^@\s/]+@[^@\s/]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
    ),
]


class ListBody(CommandBody):
    """A mailbox, by address or directory id, or a case."""

    mailbox: _Mailbox | None = None
    incident_id: Annotated[IncidentId, Field(pattern=ID)] | None = None


class RestoreBody(ListBody):
    """Also which mail: some by its ids, or all, which has to be as many as `count`."""

    items: tuple[Annotated[str, Field(min_length=1, max_length=512)], ...] = Field((), max_length=MAX_ITEMS)
    all: bool = False
    count: int | None = Field(None, ge=1)

"""What stands in a request's path."""

import re
from collections.abc import Mapping

from shared.domain.ids import IncidentId
from shared.errors import NotFoundError

# Those that `shared.domain.ids` makes are 30 to 40 characters; Cosmos DB refuses ids with / \ ? # or above 1,023 bytes.
ID = r"^[A-Za-z0-9-]{1,64}$"
"""An id that may be asked of the database; for `re.fullmatch`, or as a pattern of pydantic."""


def incident_of(params: Mapping[str, str]) -> IncidentId:
    """The incident that the path names.

    Raises:
        NotFoundError: no incident can have this id; the database need not be asked.
    """
    if not re.fullmatch(ID, params["incident_id"]):
        raise NotFoundError("no incident can have this id")
    return IncidentId(params["incident_id"])

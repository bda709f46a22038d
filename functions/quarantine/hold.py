"""What keeps all pulling back: a person paused it, or policy lets the installation only plan."""

from functions.quarantine.models import Deps
from shared.domain.incident import OBSERVE
from shared.domain.tenant import Pause
from shared.pipeline.stage import RetryLater
from shared.policy import Mode

# Seconds after which a chunk that is held back asks again: how long a resume takes to be seen.
_ASK_AGAIN = 60.0


async def held_back(deps: Deps) -> RetryLater | None:
    """When to come back for what nothing may be pulled of now; None if it may."""
    if deps.policy.mode is Mode.OBSERVE:
        return RetryLater(OBSERVE, _ASK_AGAIN, for_person=True)
    if (await deps.tenant.read(Pause)).paused:
        return RetryLater("paused", _ASK_AGAIN, for_person=True)
    return None

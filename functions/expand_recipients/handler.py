"""The expand_recipients stage: from an alert's addresses to a frozen plan."""

from functions.expand_recipients.models import Deps
from shared.messages import ExpandRecipients
from shared.stage import Outcome, Wait


async def handle(message: ExpandRecipients, deps: Deps) -> Outcome:  # noqa: ARG001 - the stage's signature
    """Nothing is planned yet: the message waits for the code that plans."""
    return Wait("not built")

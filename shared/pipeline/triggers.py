"""From the Functions host to the stage runner: one queue trigger and one poison trigger per stage."""

from typing import TypeVar

import azure.functions as func

from shared.bootstrap import services
from shared.names import POISON_SUFFIX, QUEUE_CONNECTION, QUEUES
from shared.pipeline.stage import Delivery, RunnerDeps, StageOf, dead_letter_poison, run

D = TypeVar("D")


def queue_triggers(stage: StageOf[D]) -> func.Blueprint:
    """A blueprint with the stage's queue trigger, named as the stage, and its poison trigger, `…_poison`."""
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves it untyped
    queue = QUEUES[stage.name]
    poison = queue + POISON_SUFFIX

    @blueprint.function_name(str(stage.name))
    @blueprint.queue_trigger(arg_name="message", queue_name=queue, connection=QUEUE_CONNECTION)
    async def handle(message: func.QueueMessage) -> None:
        at_hand = services()
        await run(stage, _delivery(message), at_hand.provide(stage.deps), at_hand.provide(RunnerDeps))

    @blueprint.function_name(f"{stage.name}_poison")
    @blueprint.queue_trigger(arg_name="message", queue_name=poison, connection=QUEUE_CONNECTION)
    async def dead_letter(message: func.QueueMessage) -> None:
        await dead_letter_poison(stage.name, _delivery(message), services().provide(RunnerDeps))

    return blueprint


def _delivery(message: func.QueueMessage) -> Delivery:
    # `dequeue_count` is on the type that the worker builds, not on the one that azure.functions exports.
    dequeue_count = getattr(message, "dequeue_count", None) or 1
    return Delivery(id=message.id or "", body=message.get_body(), dequeue_count=dequeue_count)

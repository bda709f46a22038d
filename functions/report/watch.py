"""The age of the oldest message of each queue, every minute: the platform has no metric for one queue."""

from dataclasses import dataclass

from shared.pipeline.events import Event, emit
from shared.ports.queue import MessageQueue


@dataclass(frozen=True)
class WatchDeps:
    """The services of the watch."""

    queue: MessageQueue


async def watch(deps: WatchDeps) -> None:
    """Tell the age of each stage's oldest message, empty queues too: a single high figure is no backlog yet.

    Raises:
        UnavailableError: the queues cannot be asked; the next minute is as good.
    """
    for stage, seconds in (await deps.queue.oldest()).items():
        emit(Event.QUEUE_AGE, stage=stage, seconds=round(seconds))

"""The age of the oldest message of each queue, every minute: the platform has no metric for one queue."""

from dataclasses import dataclass

from shared.pipeline.events import Event, emit
from shared.ports.queue import MessageQueue


@dataclass(frozen=True)
class WatchDeps:
    """The services of the watch."""

    queue: MessageQueue


async def watch(deps: WatchDeps) -> None:
    """Log the age of each stage's oldest message; 0 for an empty queue. A single high figure is no backlog yet.

    Raises:
        UnavailableError: the queues cannot be asked; the timer runs again in a minute.
    """
    for stage, seconds in (await deps.queue.oldest()).items():
        emit(Event.QUEUE_AGE, stage=stage, seconds=round(seconds))

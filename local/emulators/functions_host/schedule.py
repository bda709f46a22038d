"""NCRONTAB, the schedule of timer triggers: `{second} {minute} {hour} {day} {month} {day of week}`, in UTC.

Five fields are the same without seconds. Unlike cron, a day has to match both the day of the month and the day
of the week.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from local.emulators.functions_host.config import HostError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# (first, last, names) of each field, in order.
_FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
# 29 February on a given day of the week comes back within 40 years, whatever the century does.
_DAYS_AHEAD = 40 * 366


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values that each field may have."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def after(self, moment: datetime) -> datetime:
        """The first time after `moment`; `HostError` if there is none."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        for ahead in range(_DAYS_AHEAD):
            date = day + timedelta(days=ahead)
            weekday = (date.weekday() + 1) % 7
            if date.day not in self.days or date.month not in self.months or weekday not in self.weekdays:
                continue
            for hour in self.hours:
                for minute in self.minutes:
                    for second in self.seconds:
                        found = date.replace(hour=hour, minute=minute, second=second)
                        if found >= start:
                            return found
        raise HostError("a schedule that never fires")


def parse(text: str) -> Schedule:
    """The schedule; `HostError` if it is not NCRONTAB."""
    fields = text.split()
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS):
        raise HostError(f"not an NCRONTAB schedule of five or six fields: {text!r}")
    try:
        second, minute, hour, day, month, weekday = (
            _values(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)
        )
    except ValueError as error:
        raise HostError(f"not an NCRONTAB schedule: {text!r} ({error})") from None
    return Schedule(
        tuple(sorted(second)),
        tuple(sorted(minute)),
        tuple(sorted(hour)),
        frozenset(day),
        frozenset(month),
        frozenset(weekday),
    )


def _values(field: str, first: int, last: int, words: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            low, high = first, last
        else:
            start, dash, end = span.partition("-")
            low = _number(start, first, words)
            high = _number(end, first, words) if dash else (last if step else low)
        if not first <= low <= high <= last:
            raise ValueError(f"{part!r} is not within {first} to {last}")
        found.update(range(low, high + 1, int(step) if step else 1))
    return found


def _number(text: str, first: int, words: tuple[str, ...]) -> int:
    if text[:3].lower() in words:
        return words.index(text[:3].lower()) + first
    return int(text)

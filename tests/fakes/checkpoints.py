"""Where a process can die: before and after every effect of every port."""


class ProcessDied(BaseException):
    """The process is gone. Not an Exception, so that nothing catches it on the way."""


class Checkpoints:
    """Counts the places that were passed, and lets the process die at one of them.

    Without `die_at` it only counts: a dry run tells how many places there are.
    """

    def __init__(self, die_at: int | None = None) -> None:
        self.die_at = die_at
        self.passed = 0
        self.names: list[str] = []

    def checkpoint(self, name: str) -> None:
        """Pass the place `name`, or die there."""
        self.names.append(name)
        index, self.passed = self.passed, self.passed + 1
        if index == self.die_at:
            raise ProcessDied(name)

    def revive(self) -> None:
        """The next process: it does not die any more."""
        self.die_at = None

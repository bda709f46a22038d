"""How a command fails: a message for the person, an exit status for the script."""

# Exit statuses, named in `clawback --help`.
REFUSED = 1
USAGE = 2
UNREACHABLE = 3
# What shells report for a program that a signal ended: 128 + SIGINT, 128 + SIGPIPE.
INTERRUPTED = 130
PIPE_CLOSED = 141


class CommandError(Exception):
    """The command failed.

    Args:
        message: for the person.
        status: exit status, for the script.
    """

    def __init__(self, message: str, status: int = REFUSED) -> None:
        super().__init__(message)
        self.status = status

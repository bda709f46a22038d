"""Runs a command, and ends its whole process group when the pipe on standard input closes.

The pipe closes when the parent dies, however it dies: nothing of a local cloud is left behind by `kill -9`.
Only the standard library is imported, so that a guard starts in a few milliseconds. Started by local/process.py, as
the leader of a new process group.
"""

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run `command`; its exit status (128 + signal if a signal ended it, as in a shell)."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    # Ctrl-C reaches every process of the terminal's group; our parent decides whether to stop us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    status = child.wait()
    return 128 - status if status < 0 else status


def _end_with_parent() -> None:
    # Not sys.stdin: a thread that holds its lock keeps the interpreter from ending.
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

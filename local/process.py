"""Child processes: they announce their address in one line, end at SIGTERM, and end when their parent ends."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.emulators import private

_ROOT = Path(__file__).parents[1]
_GUARD = Path(__file__).with_name("guard.py")
START_SECONDS = 90.0
"""How long a process may take to start: many times what it needs, for a machine that is busy with other things."""

# Lines of output that an error shows: enough to see why a process did not start.
_LAST_LINES = 40


class StartError(RuntimeError):
    """A process ended, or time was up, before it was ready. The message has its last lines of output."""


class Child:
    """A process in a group of its own, under local/guard.py. Its output goes to `log`.

    Args:
        command: program and arguments; run in the repository's root.
        environment: the whole environment of the process.
        log: file that its output is appended to; only its owner can read it.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.name = log.stem
        self._log = log
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._changed = threading.Condition()
        self._count = 0
        self._closed = False
        self._process = subprocess.Popen(
            # -I -S: the guard needs nothing but the standard library, and starts in a few milliseconds.
            [sys.executable, "-I", "-S", str(_GUARD), *command],
            cwd=_ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # What it writes (Azurite's data, the documents of Cosmos DB) is for nobody else.
            umask=private.OTHERS,
        )
        self._reader = threading.Thread(target=self._read, name=f"log-{self.name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The guard's process id, which is also the id of the process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait_for(self, find: Callable[[str], Any], timeout: float = START_SECONDS) -> Any:
        """What `find` makes of the first line of output for which it is not None.

        Raises:
            StartError: the process ended, or `timeout` seconds passed, before that.
        """
        deadline = time.monotonic() + timeout
        seen = 0
        with self._changed:
            while True:
                # Only the last lines are kept: what came since, as far as it is still there.
                news = list(self._last)[-(self._count - seen) :] if self._count > seen else []
                seen = self._count
                for line in news:
                    if (found := find(line)) is not None:
                        return found
                if self._closed:
                    raise StartError(self._failure("ended before it was ready"))
                if not self._changed.wait(deadline - time.monotonic()):
                    raise StartError(self._failure(f"was not ready within {timeout:g} s"))

    def announced(self, timeout: float = START_SECONDS) -> dict[str, Any]:
        """The JSON object that the process prints in one line when it is ready (`--announce`)."""
        found: dict[str, Any] = self.wait_for(_json_object, timeout)
        return found

    def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end (SIGTERM), wait up to `timeout` seconds for that, then end its whole group."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End it and everything that it started, at once (kill -9)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # PermissionError is macOS' word for a group of which only a zombie is left.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        if self._process.stdin:
            self._process.stdin.close()

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            raise TypeError("the output is a pipe")
        with output, private.open_log(self._log) as log:
            for line in output:
                log.write(line)
                log.flush()
                with self._changed:
                    self._last.append(line.decode("utf-8", "replace").rstrip())
                    self._count += 1
                    self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _failure(self, what: str) -> str:
        return "\n".join([f"{self.name} {what}; its last lines (all output is in {self._log}):", *self._last])


def python(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local.process import Child, StartError, python

ENVIRONMENT = {"PATH": os.environ.get("PATH", "")}
# Says who it is and starts a grandchild, then waits for a signal.
BUSY = """
import json, os, signal, subprocess, sys
inner = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("starting up", flush=True)
print(json.dumps({"pid": os.getpid(), "inner": inner.pid}), flush=True)
signal.pause()
"""
PARENT = """
import json, sys
from pathlib import Path
from local.process import Child
child = Child(sys.argv[2:], environment={}, log=Path(sys.argv[1]))
print(json.dumps(child.announced()), flush=True)
import signal; signal.pause()
"""


def _gone(*pids: int) -> bool:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=60)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive if process.is_running())


def test_a_process_announces_itself_and_stops_with_all_that_it_started(tmp_path: Path) -> None:
    child = Child(python("-c", BUSY), environment=ENVIRONMENT, log=tmp_path / "busy.log")
    announced = child.announced()
    child.stop()
    assert not child.running
    assert _gone(announced["pid"], announced["inner"])
    assert "starting up" in (tmp_path / "busy.log").read_text(encoding="utf-8")


def test_kill_ends_the_whole_group(tmp_path: Path) -> None:
    child = Child(python("-c", BUSY), environment=ENVIRONMENT, log=tmp_path / "busy.log")
    announced = child.announced()
    child.kill()
    assert _gone(announced["pid"], announced["inner"])


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "busy.log"), *python("-c", BUSY)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
    announced = json.loads(next(parent.stdout or iter(())))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert _gone(announced["pid"], announced["inner"])


def test_its_log_and_the_files_that_it_makes_are_for_their_owner_only(tmp_path: Path) -> None:
    script = f"import pathlib; pathlib.Path({str(tmp_path / 'made')!r}).touch(); print('{{}}', flush=True)"
    child = Child(python("-c", script), environment=ENVIRONMENT, log=tmp_path / "x.log")
    child.announced()
    child.kill()
    for name in ("made", "x.log"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_the_error_of_a_process_that_ends_early_has_its_output(tmp_path: Path) -> None:
    child = Child(python("-c", "print('no such port')"), environment=ENVIRONMENT, log=tmp_path / "x.log")
    with pytest.raises(StartError, match="no such port"):
        child.announced()
    child.kill()


def test_a_process_that_announces_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    child = Child(python("-c", "import signal; signal.pause()"), environment=ENVIRONMENT, log=tmp_path / "silent.log")
    with pytest.raises(StartError, match="was not ready"):
        child.announced(timeout=0)
    child.kill()


def test_an_announcement_after_many_lines_is_found(tmp_path: Path) -> None:
    script = "print('\\n' * 500 + '{\"url\": 1}', flush=True)"
    child = Child(python("-c", script), environment=ENVIRONMENT, log=tmp_path / "x.log")
    assert child.announced() == {"url": 1}
    child.kill()

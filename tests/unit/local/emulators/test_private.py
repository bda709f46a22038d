import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulators import private


@pytest.fixture(autouse=True)
def _a_generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_is_for_its_owner_only_also_if_it_was_there(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o755)
    for name in ("old", "new"):
        assert _mode(private.make_directory(tmp_path / name)) == 0o700


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    private.write(tmp_path / "key", "grüße")
    assert _mode(tmp_path / "key") == 0o600
    assert (tmp_path / "key").read_text(encoding="utf-8") == "grüße"


def test_a_file_that_others_have_open_is_replaced_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    with path.open(encoding="utf-8") as open_before:
        private.write(path, "new")
        assert open_before.read() == "old"
    assert (_mode(path), path.read_text(encoding="utf-8")) == (0o600, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_never_exists_with_more_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    fdopen = os.fdopen

    def spy(descriptor: int, *arguments: str, **options: str) -> object:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return fdopen(descriptor, *arguments, **options)  # type: ignore[call-overload]  # passed through

    monkeypatch.setattr(os, "fdopen", spy)
    private.write(tmp_path / "key", "x")
    private.open_log(tmp_path / "log").close()
    assert seen == [0o600, 0o600]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        private.write(tmp_path / "key", "\udc80")
    assert list(tmp_path.iterdir()) == []


def test_a_log_is_appended_to_and_begun_anew_if_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for line in (b"one\n", b"two\n"):
        with private.open_log(path) as log:
            log.write(line)
    assert path.read_bytes() == b"one\ntwo\n"
    path.chmod(0o640)
    with private.open_log(path) as log:
        log.write(b"three\n")
    assert (_mode(path), path.read_bytes()) == (0o600, b"three\n")

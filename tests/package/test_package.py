"""The deployment package: the same bytes twice, small enough, and all that the pipeline needs to run."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cloud import LocalCloud, default_tenant, post
from tools import package

DRIVER = Path(__file__).with_name("driver.py")

# Builds twice, which reads every file of every dependency: minutes on a slow machine.
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("package")]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        package.interpreter()
    except SystemExit as missing:
        pytest.skip(str(missing))
    return package.build(tmp_path_factory.mktemp("package"))


def test_the_same_input_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = package.build(tmp_path)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (archive, again)}
    assert len(digests) == 1


def test_it_is_small_enough(archive: Path) -> None:
    assert archive.stat().st_size <= package.LIMIT_MB * 1e6


def test_it_has_byte_code_and_nothing_that_is_not_run(archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
    assert {"function_app.py", "host.json", "policy.yaml", "shared/names.json"} <= set(names)
    assert "__pycache__/function_app.cpython-312.pyc" in names
    tops = {name.split("/", 1)[0] for name in names}
    assert tops <= {"function_app.py", "host.json", "requirements.txt", "policy.yaml", "functions", "shared",
                    "__pycache__", ".python_packages"}  # fmt: skip
    ours = [name for name in names if name.startswith(("functions/", "shared/")) and name.endswith(".py")]
    assert all(f"{Path(n).parent}/__pycache__/{Path(n).stem}.cpython-312.pyc" in names for n in ours)


@pytest.mark.cloud
def test_the_pipeline_runs_from_the_package_alone(archive: Path, tmp_path: Path, local_cloud: LocalCloud) -> None:
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    user = default_tenant().users[0]
    message_id = f"<package-{os.getpid()}@evil.example>"
    moment = datetime.now(UTC).isoformat()
    mail = {
        "internet_message_id": message_id,
        "subject": "Pay",
        "from": {"address": "bad@evil.example"},
        "to": [{"address": user.mail}],
        "received": moment,
    }
    delivery = {"mailboxes": [user.id], "message": mail}
    context = local_cloud.authority.client_context()
    post(f"{local_cloud.state.graph_url}/_local/deliver", delivery, local_cloud.state.admin_key, context)
    message = {
        "internetMessageId": message_id,
        "sender": "bad@evil.example",
        "subject": "Pay",
        "receivedAt": moment,
        "recipients": [user.mail],
    }
    alert = {"version": 1, "id": message_id, "threatType": "phish", "severity": "high", "messages": [message]}
    (tmp_path / "alert.json").write_text(json.dumps(alert), encoding="utf-8")

    ran = subprocess.run(
        [package.interpreter(), "-I", "-S", DRIVER, tmp_path / "unpacked", tmp_path / "alert.json"],
        env={
            **local_cloud.environment_of_both(),
            "CLAWBACK_POLICY_PATH": str(tmp_path / "unpacked" / "policy.yaml"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["python"] == [3, 12]
    assert told["outside"] == []
    assert told["states"] == {"quarantined": 1}

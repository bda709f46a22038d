"""Documented calls of Microsoft Graph, made by clients that share no code with ours, against the local Graph.

    python tests/conformance/graph/run.py

prints `{"passed": n, "refused": [...], "different": [...]}` and ends with 1 if a refusal or difference is not in
`expected.json`, or if one that is there did not happen. `expected.json` gives the reason of each. Microsoft's
JavaScript client comes from npm (installed here when it is missing); its SDK for Python is one of our dependencies.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from local.emulators.graph.model import dump  # noqa: E402
from local.emulators.identity.tokens import SIGNING_KEY_SETTING, Caller, issue  # noqa: E402 - after the path is set
from local.emulators.serve import ADMIN_KEY_SETTING  # noqa: E402 - after the path is set
from local.process import Child, python  # noqa: E402
from local.tls import LocalAuthority  # noqa: E402
from tests.conformance.graph import python_sdk  # noqa: E402
from tests.conformance.graph.outcome import Outcome, Result  # noqa: E402
from tests.conformance.graph.tenant import (  # noqa: E402
    ADA,
    CONTACT,
    GROUP,
    MAILBOXES,
    PARENT,
    PLAIN_MESSAGES,
    ROLE,
    tenant,
)

EXPECTED = HERE / "expected.json"
ROLES = (
    "Mail.ReadWrite", "MailboxSettings.Read", "User.Read.All", "GroupMember.Read.All", "OrgContact.Read.All",
    "ExchangeMessageTrace.Read.All", "RoleManagement.Read.Directory", "Directory.Read.All",
)  # fmt: skip
_SECONDS = 120


def main() -> int:
    """Run both clients and print the results; 1 if they are not the expected ones."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = _run_clients(Path(folder))
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    report = {
        "passed": sum(one.result is Result.PASSED for one in outcomes),
        **{str(result): _listed(outcomes, result, expected) for result in (Result.REFUSED, Result.DIFFERENT)},
    }
    sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    surprises = _surprises(outcomes, expected)
    sys.stderr.writelines(f"{line}\n" for line in surprises)
    return 1 if surprises else 0


def _run_clients(folder: Path) -> list[Outcome]:
    """Start the local Graph in `folder` and run both clients against it."""
    authority = LocalAuthority(folder)
    now = datetime.now(UTC)
    dump(tenant(now), folder / "tenant.json")
    key = uuid.uuid4().hex * 2
    environment = {**os.environ, SIGNING_KEY_SETTING: key, ADMIN_KEY_SETTING: uuid.uuid4().hex}
    command = python(
        "-m", "local.emulators.graph", "--tenant", str(folder / "tenant.json"),
        "--tls-cert", str(authority.certificate), "--tls-key", str(authority.key),
    )  # fmt: skip
    server = Child(command, environment=environment, log=folder / "graph.log")
    try:
        url = str(server.announced()["url"])
        token = issue(Caller("conformance", str(uuid.uuid4()), "https://graph.microsoft.com", ROLES), key, "tenant")
        return [
            *_javascript(url, token, authority.ca),
            *(
                Outcome(f"python: {one.case}", one.result, one.detail)
                for one in asyncio.run(python_sdk.run(url, token, MAILBOXES["python"], str(authority.ca)))
            ),
        ]
    finally:
        server.stop()


def _javascript(url: str, token: str, ca: Path) -> list[Outcome]:
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is needed for Microsoft's JavaScript client")
        subprocess.run([npm, "ci", "--silent", "--no-progress"], cwd=HERE, check=True, timeout=_SECONDS)
    world = {
        "url": url,
        "token": token,
        "mailbox": MAILBOXES["javascript"],
        "parent": PARENT,
        "plain": PLAIN_MESSAGES,
        "ids": {"ada": ADA, "group": GROUP, "contact": CONTACT, "role": ROLE},
    }
    # The token goes by the environment: a command line can be read by all users of a machine.
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(ca), "CONFORMANCE_WORLD": json.dumps(world)}
    done = subprocess.run(
        ["node", "javascript.mjs"], cwd=HERE, env=environment, stdout=subprocess.PIPE, check=True, timeout=_SECONDS
    )
    told = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return [Outcome(f"javascript: {one['case']}", Result(one["outcome"]), one["detail"]) for one in told]


def _listed(outcomes: list[Outcome], result: Result, expected: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    reasons = expected[str(result)]
    return [
        {"case": one.case, "answer": one.detail, "reason": reasons.get(one.case, "not expected")}
        for one in outcomes
        if one.result is result
    ]


def _surprises(outcomes: list[Outcome], expected: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The outcomes that differ from `expected.json`, one line each."""
    found = {(one.case, str(one.result)): one.detail for one in outcomes if one.result is not Result.PASSED}
    listed = {(case, result) for result, cases in expected.items() for case in cases}
    return [
        *(
            f"not expected: {case} was {result}: {found[case, result]}"
            for case, result in sorted(found.keys() - listed)
        ),
        *(f"expected, and did not happen: {case} {result}" for case, result in sorted(listed - found.keys())),
    ]


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    sys.exit(main())

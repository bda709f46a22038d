"""What webhooks must withstand, over HTTP, on the local host: clear problems, nothing lost, nothing leaked."""

import csv
import hashlib
import io
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from cli.webhook import authentication
from local import azurite
from local.cloud import _Token
from local.stack import Stack
from shared.names import RAW_CONTAINER
from tests.pipeline.polling import wait
from tests.unit.local.test_cloud import _token

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("hostile")]

SECRET_TEXT = "do-not-repeat-me"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if not azurite.installed():
        pytest.skip("Azurite is not installed: run `make setup`")
    with Stack(tmp_path_factory.mktemp("hostile") / "cloud") as running:
        yield running


def post(stack: Stack, body: bytes, *, source: str = "clawback", headers: dict[str, str] | None = None) -> Any:
    """The answer's status and JSON; what is no success must be a problem."""
    if headers is None:
        secret = json.loads(stack.cloud.environment("web")[f"CLAWBACK_WEBHOOK_SECRETS__{source}"])[0]
        headers = authentication(source, secret, body)
    request = urllib.request.Request(f"{stack.url}/api/alerts/{source}", body, headers)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(_Answers())
    with opener.open(request, timeout=30) as answer:
        text, status = answer.read().decode(), answer.status
    told = json.loads(text)
    if status != 202:
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert SECRET_TEXT not in text
        assert told["status"] == status
        assert told["type"].startswith("urn:clawback:problem:")
        assert told["instance"].startswith("urn:clawback:request:")
    return status, told


class _Answers(urllib.request.HTTPErrorProcessor):
    """An answer is an answer, whatever its status."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


def blobs(stack: Stack) -> set[str]:
    credential = _Token(_token(stack.cloud, "pipeline"))
    ca = stack.cloud.state.ca
    with BlobServiceClient(stack.cloud.state.blob_url, credential=credential, connection_verify=ca) as service:
        return set(service.get_container_client(RAW_CONTAINER).list_blob_names())


def alert(**changes: Any) -> bytes:
    message = {
        "internetMessageId": "<h-1@evil.example>",
        "sender": "bad@evil.example",
        "subject": SECRET_TEXT,
        "receivedAt": "2026-11-24T09:00:00Z",
        "recipients": ["ada@contoso.example"],
        **changes,
    }
    return json.dumps(
        {
            "version": 1,
            "id": hashlib.sha256(str(changes).encode()).hexdigest(),
            "threatType": "phish",
            "severity": "high",
            "messages": [message],
        }
    ).encode()


GOOD = alert()


@pytest.mark.parametrize(
    ("source", "headers", "status", "kind"),
    [
        ("clawback", {}, 401, "unauthenticated"),
        ("clawback", authentication("clawback", "wrong", GOOD), 401, "unauthenticated"),
        ("clawback", {"Clawback-Timestamp": "1", "Clawback-Signature": "v1=00"}, 401, "unauthenticated"),
        ("proofpoint_tap", {"X-Clawback-Secret": "wrong"}, 401, "unauthenticated"),
        ("nobody", {}, 404, "unknown-source"),
        ("..%2Fclawback", {}, 404, "unknown-source"),
    ],
)
def test_who_cannot_prove_who_they_are_is_refused(
    stack: Stack, source: str, headers: dict[str, str], status: int, kind: str
) -> None:
    before = blobs(stack)
    code, told = post(stack, GOOD, source=source, headers=headers)
    assert (code, told["type"]) == (status, f"urn:clawback:problem:{kind}")
    assert blobs(stack) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json " + SECRET_TEXT.encode(), 400),
        (GOOD[:-20], 400),
        (b"[" * 100_000, 400),
        (b'{"version": NaN}', 400),
        (GOOD.decode().encode("utf-16"), 400),
        (b'{"a": 1, "a": 2}', 400),
        (b"{}", 422),
        (json.dumps({"version": 1, SECRET_TEXT: SECRET_TEXT}).encode(), 422),
        (alert(recipients=[SECRET_TEXT]), 422),
    ],
    ids=range(10),
)
def test_a_bad_body_is_told_without_being_repeated_and_is_kept(stack: Stack, body: bytes, status: int) -> None:
    code, told = post(stack, body)
    assert code == status
    assert told["errors"]
    assert any(name.startswith("rejected/clawback/") for name in blobs(stack))


def test_five_megabytes_are_too_large(stack: Stack) -> None:
    code, told = post(stack, b" " * 5_000_000)
    assert (code, told["type"]) == (413, "urn:clawback:problem:too-large")


HOSTILE = [
    alert(internetMessageId="<x' or 1 eq 1 or internetMessageId eq 'y@z>"),
    alert(internetMessageId="<a+b&c#d%27@evil.example>", subject='=HYPERLINK("http://evil.example")'),
    alert(subject="x" * 1_000_000),
    alert(subject="\u202egpj.exe\u0000\u001b[31m"),
    alert(recipients=["=cmd|calc@contoso.example", "+1@contoso.example"]),
]


def test_hostile_content_is_taken_kept_and_shown_harmless(stack: Stack) -> None:
    for body in HOSTILE:
        status, told = post(stack, body)
        assert status == 202, told
        assert told["alertIds"]
    # Three of them are about one mail, and so are one case.
    done = wait(lambda: _done(stack))
    assert len(done) == 3
    kept = blobs(stack)
    assert sum(name.startswith("raw/clawback/") for name in kept) >= len(HOSTILE)
    for incident in done:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{stack.url}/api/incidents/{incident}/activity.csv", headers={"x-functions-key": stack.key}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            rows = list(csv.reader(io.StringIO(answer.read().decode())))
        cells = [cell for row in rows[1:] for cell in row]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
        assert not [cell for cell in cells if "\u202e" in cell or "\u001b" in cell]
    log = "".join((stack.cloud.directory / f"{app}.log").read_text(encoding="utf-8") for app in ("pipeline", "web"))
    assert SECRET_TEXT not in log
    assert "evil.example" not in log


def _done(stack: Stack) -> list[str]:
    """The incidents, once every alert is in one and every one is done."""
    incidents = stack.api("incidents?top=50")["incidents"]
    states = {one["state"] for one in incidents}
    over = {"contained", "attention", "nothing_found", "awaiting_approval"}
    if sum(one["alerts"] for one in incidents) < len(HOSTILE) or not states <= over:
        return []
    return [one["id"] for one in incidents]

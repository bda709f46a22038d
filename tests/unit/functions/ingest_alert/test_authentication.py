import hmac
from datetime import timedelta

import pytest

from functions.ingest_alert.authentication import WINDOW_SECONDS, shared_secret, signature, signed
from tests.fakes.clock import START

BODY = b'{"a":1}'
NOW = str(int(START.timestamp()))


def headers(*signatures: str, timestamp: str = NOW) -> dict[str, str]:
    return {"clawback-timestamp": timestamp, "clawback-signature": ", ".join(signatures)}


def test_the_signature_is_hmac_sha256_of_timestamp_dot_body() -> None:
    expected = hmac.new(b"s", b"1700000000.body", "sha256").hexdigest()
    assert signature("s", "1700000000", b"body") == f"v1={expected}"


@pytest.mark.parametrize("offset", [-WINDOW_SECONDS, 0, WINDOW_SECONDS])
def test_it_holds_for_the_window(offset: int) -> None:
    now = START + timedelta(seconds=offset)
    assert signed(headers(signature("s", NOW, BODY)), BODY, ["s"], now)


@pytest.mark.parametrize("offset", [-WINDOW_SECONDS - 1, WINDOW_SECONDS + 1])
def test_and_not_longer(offset: int) -> None:
    now = START + timedelta(seconds=offset)
    assert not signed(headers(signature("s", NOW, BODY)), BODY, ["s"], now)


def test_old_and_new_secret_both_hold_while_they_are_rotated() -> None:
    both = headers(signature("old", NOW, BODY), signature("new", NOW, BODY))
    assert signed(both, BODY, ["new"], START)
    assert signed(both, BODY, ["old"], START)
    assert signed(headers(signature("old", NOW, BODY)), BODY, ["new", "old"], START)


@pytest.mark.parametrize(
    "given",
    [
        {},
        headers(),
        headers(""),
        headers("v1="),
        headers(signature("other", NOW, BODY)),
        headers(signature("s", NOW, BODY + b" ")),
        headers(signature("s", NOW, BODY).removeprefix("v1=")),
        headers(signature("s", NOW, BODY).replace("v1", "v0")),
        headers(signature("s", "", BODY), timestamp=""),
        headers(signature("s", "x", BODY), timestamp="x"),
        headers(signature("s", "-1", BODY), timestamp="-1"),
        headers(signature("s", "1" * 5000, BODY), timestamp="1" * 5000),
        headers(signature("s", "\u0661" * 10, BODY), timestamp="\u0661" * 10),
        headers("\ud800"),
        headers(*["v1=00"] * 8, signature("s", NOW, BODY)),
    ],
)
def test_anything_else_does_not_hold(given: dict[str, str]) -> None:
    assert not signed(given, BODY, ["s"], START)


def test_without_a_secret_nothing_holds() -> None:
    assert not signed(headers(signature("", NOW, BODY)), BODY, [], START)
    assert not shared_secret({"x-clawback-secret": ""}, BODY, [], START)


def test_shared_secret() -> None:
    assert shared_secret({"x-clawback-secret": "b"}, BODY, ["a", "b"], START)
    assert not shared_secret({"x-clawback-secret": "c"}, BODY, ["a", "b"], START)
    assert not shared_secret({"x-clawback-secret": "\ud800"}, BODY, ["a", "b"], START)
    assert not shared_secret({}, BODY, ["a", "b"], START)

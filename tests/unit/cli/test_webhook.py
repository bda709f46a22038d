from datetime import UTC, datetime

import pytest

from cli.webhook import authentication
from functions.ingest_alert.authentication import Authenticate, shared_secret, signed


@pytest.mark.parametrize(("source", "accepts"), [("clawback", signed), ("proofpoint_tap", shared_secret)])
def test_the_headers_authenticate_the_source(source: str, accepts: Authenticate) -> None:
    made = authentication(source, "s3cret", b"body")
    headers = {name.lower(): value for name, value in made.items()}
    now = datetime.now(UTC)
    assert accepts(headers, b"body", ["s3cret"], now)
    assert not accepts(headers, b"body", ["other"], now)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.graph.classify import classify
from shared.ports.answers import Refusal, RefusalKind


def refused(status: int, code: str | None = None, **headers: str) -> Refusal:
    body = None if code is None else {"error": {"code": code, "message": "…"}}
    refusal = classify(status, body, headers)
    assert refusal is not None
    return refusal


# The table of graph.md 5.3.
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InefficientFilter", RefusalKind.PERMANENT),
        (400, "ErrorInvalidIdMalformed", RefusalKind.PERMANENT),
        (401, "InvalidAuthenticationToken", RefusalKind.TRANSIENT),
        (403, "ErrorAccessDenied", RefusalKind.DENIED),
        (403, "Authorization_RequestDenied", RefusalKind.DENIED),
        (403, "ErrorQuotaExceeded", RefusalKind.TRANSIENT),
        (404, "ErrorItemNotFound", RefusalKind.NOT_FOUND),
        (404, "ErrorInvalidUser", RefusalKind.MAILBOX_MISSING),
        (404, "MailboxNotEnabledForRESTAPI", RefusalKind.ON_PREMISES),
        (404, "MailboxNotSupportedForRESTAPI", RefusalKind.ON_PREMISES),
        (404, "mailboxnothostedinexchangeonline", RefusalKind.ON_PREMISES),
        (404, "Request_ResourceNotFound", RefusalKind.MAILBOX_MISSING),
        (404, "SomethingNew", RefusalKind.PERMANENT),
        (409, "ErrorFolderExists", RefusalKind.EXISTS),
        (409, "SomethingNew", RefusalKind.TRANSIENT),
        (412, "ErrorIrresolvableConflict", RefusalKind.TRANSIENT),
        (413, None, RefusalKind.PERMANENT),
        (424, "FailedDependency", RefusalKind.TRANSIENT),
        (429, "ApplicationThrottled", RefusalKind.THROTTLED),
        (429, None, RefusalKind.THROTTLED),
        (500, "UnknownError", RefusalKind.TRANSIENT),
        (501, "NotImplemented", RefusalKind.PERMANENT),
        (503, "ErrorMailboxMoveInProgress", RefusalKind.MAILBOX_MOVING),
        (503, "MailboxInfoStale", RefusalKind.TRANSIENT),
        (504, None, RefusalKind.TRANSIENT),
        (507, None, RefusalKind.TRANSIENT),
        (509, None, RefusalKind.TRANSIENT),
    ],
)
def test_what_a_code_means(status: int, code: str | None, kind: RefusalKind) -> None:
    assert refused(status, code).kind is kind


def test_a_404_with_an_unknown_code_is_not_taken_for_gone() -> None:
    assert refused(404).kind is RefusalKind.PERMANENT
    assert refused(404).code == "HTTP 404"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_no_refusal(status: int) -> None:
    assert classify(status, {"error": {"code": "ErrorItemNotFound"}}, {}) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("0", 0.0), ("-1", None), ("nan", None), ("soon", None), ("1e9", None)]
)
def test_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert refused(429, "ApplicationThrottled", **{"Retry-After": text}).retry_after == seconds


def test_a_refusal_has_the_request_id_for_microsofts_support() -> None:
    inner = {"error": {"code": "x", "innerError": {"request-id": "from the body"}}}
    first, second = classify(500, inner, None), classify(500, inner, {"Request-Id": "from the header"})

    assert first is not None
    assert second is not None
    assert (first.request_id, second.request_id) == ("from the body", "from the header")


def test_a_long_code_is_cut() -> None:
    assert len(refused(400, "x" * 10_000).code) <= 64


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "innerError", "request-id", "Retry-After"]) | st.text(), inner
        )
    ),
    max_leaves=12,
)


@given(st.integers(-(10**9), 10**9), JSON, JSON)
def test_any_json_is_classified_and_no_error_as_a_success(status: int, body: object, headers: object) -> None:
    refusal = classify(status, body, headers)

    assert (refusal is None) == (200 <= status < 300)
    if refusal is not None:
        assert refusal.code
        assert refusal.retry_after is None or 0 <= refusal.retry_after <= 86_400

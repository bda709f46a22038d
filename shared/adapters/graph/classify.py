"""What an answer that is no success means, decided on `error.code`: HTTP 404 alone has four meanings (graph.md 5.3)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from shared.ports.answers import Refusal, RefusalKind

# Lower-case: Graph's services do not agree about the case of their codes.
_BY_CODE = {
    # Also said of inactive and soft-deleted mailboxes; they are taken for on premises, since a person looks at that.
    "mailboxnotenabledforrestapi": RefusalKind.ON_PREMISES,
    "mailboxnotsupportedforrestapi": RefusalKind.ON_PREMISES,
    "mailboxnothostedinexchangeonline": RefusalKind.ON_PREMISES,
    "errorinvaliduser": RefusalKind.MAILBOX_MISSING,
    "resourcenotfound": RefusalKind.MAILBOX_MISSING,
    "request_resourcenotfound": RefusalKind.MAILBOX_MISSING,
    "erroritemnotfound": RefusalKind.NOT_FOUND,
    "errorfoldernotfound": RefusalKind.NOT_FOUND,
    "erroraccessdenied": RefusalKind.DENIED,
    "accessdenied": RefusalKind.DENIED,
    "authorization_requestdenied": RefusalKind.DENIED,
    "errorfolderexists": RefusalKind.EXISTS,
    "errorduplicatefoldername": RefusalKind.EXISTS,
    "errornamealreadyexists": RefusalKind.EXISTS,
    "applicationthrottled": RefusalKind.THROTTLED,
    "toomanyrequests": RefusalKind.THROTTLED,
    "activitylimitreached": RefusalKind.THROTTLED,
    "errorserverbusy": RefusalKind.THROTTLED,
    "errormailboxmoveinprogress": RefusalKind.MAILBOX_MOVING,
    "errormailboxstoreunavailable": RefusalKind.TRANSIENT,
    "mailboxinfostale": RefusalKind.TRANSIENT,
    # Over quota: passes when the owner or a retention job deletes something.
    "errorquotaexceeded": RefusalKind.TRANSIENT,
}

_BY_STATUS = {
    # It is our token that was refused, not this mailbox: the next one may be good.
    HTTPStatus.UNAUTHORIZED: RefusalKind.TRANSIENT,
    HTTPStatus.FORBIDDEN: RefusalKind.DENIED,
    HTTPStatus.REQUEST_TIMEOUT: RefusalKind.TRANSIENT,
    HTTPStatus.CONFLICT: RefusalKind.TRANSIENT,
    HTTPStatus.PRECONDITION_FAILED: RefusalKind.TRANSIENT,
    HTTPStatus.LOCKED: RefusalKind.TRANSIENT,
    HTTPStatus.FAILED_DEPENDENCY: RefusalKind.TRANSIENT,
    HTTPStatus.TOO_MANY_REQUESTS: RefusalKind.THROTTLED,
}

# The code is stored as the reason of a target and shown: a longer one is cut.
_MAX_CODE = 64


def classify(status: int, body: Any, headers: Any) -> Refusal | None:
    """The refusal that an answer is; None if it is a success. Takes whatever came, and raises nothing.

    Args:
        status: of the answer or of the sub-request.
        body: its JSON, parsed; anything else is no error body.
        headers: HTTP headers, or the JSON object that a batch has for them; names in any case.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    found = body.get("error") if isinstance(body, dict) else None
    error = found if isinstance(found, dict) else {}
    code = error.get("code")
    code = code[:_MAX_CODE] if isinstance(code, str) and code else f"HTTP {status}"
    fields = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    inner = error.get("innerError") or error.get("innererror")
    request_id = fields.get("request-id") or (inner.get("request-id") if isinstance(inner, dict) else None)
    return Refusal(
        kind=_BY_CODE.get(code.lower()) or _kind_of(status),
        code=code,
        status=status,
        retry_after=_seconds(fields.get("retry-after")),
        request_id=request_id[:_MAX_CODE] if isinstance(request_id, str) else None,
    )


def _kind_of(status: int) -> RefusalKind:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return RefusalKind.TRANSIENT
    # A 404 with an unknown code does not prove that anything is gone: the target fails, with the code as its reason.
    return _BY_STATUS.get(HTTPStatus(status), RefusalKind.PERMANENT) if status in _STATUSES else RefusalKind.PERMANENT


_STATUSES = {status.value for status in HTTPStatus}


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # Longer than a day is taken for an error of the server; "nan" is no number of seconds.
    return seconds if 0 <= seconds <= 86400 else None  # noqa: PLR2004 - as above

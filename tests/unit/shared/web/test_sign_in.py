import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.problems import Problem
from shared.web.sign_in import AppRole, require


def role(*names: str) -> dict[str, str]:
    """The header that App Service sends for somebody with these app roles."""
    claims = [{"typ": "name", "val": "Ann"}, *({"typ": "roles", "val": name} for name in names)]
    principal = {"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claims}
    return {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(principal).encode()).decode()}


def allowed(headers: dict[str, str], least: AppRole) -> bool:
    try:
        require(headers, least)
    except Problem as problem:
        return problem.status != 403
    return True


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(
    ("names", "may"),
    [
        ((), 0),
        (("Guest",), 0),
        (("Reader",), 1),
        (("Responder",), 2),
        (("Reader", "Administrator"), 3),
    ],
)
def test_a_role_may_what_the_ones_before_it_may(names: tuple[str, ...], may: int) -> None:
    assert [allowed(role(*names), least) for least in AppRole] == [least <= may for least in AppRole]


@pytest.mark.usefixtures("signed_in")
def test_nobody_has_no_role() -> None:
    assert not allowed({}, AppRole.READER)


def test_where_nobody_signs_in_the_function_key_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED", raising=False)
    assert allowed({}, AppRole.ADMINISTRATOR)


@given(st.text())
def test_whatever_stands_in_the_header_is_no_role(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEBSITE_AUTH_ENABLED", "True")
        encoded = base64.b64encode(text.encode(errors="replace")).decode()
        assert not allowed({"x-ms-client-principal": text}, AppRole.READER)
        assert not allowed({"x-ms-client-principal": encoded}, AppRole.READER)

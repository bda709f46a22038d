import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import SIGN_IN
from shared.web.problems import Problem
from shared.web.sign_in import AppRole, require, required, signed_in

NAME = "X-MS-CLIENT-PRINCIPAL-NAME"


def principal(text: str) -> dict[str, str]:
    """The header in which App Service passes on who signed in, with this in it."""
    return {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(text.encode(errors="replace")).decode()}


def role(*names: str) -> dict[str, str]:
    """The header that App Service sends for somebody with these app roles."""
    claims = [{"typ": "name", "val": "Ann"}, *({"typ": "roles", "val": name} for name in names)]
    return principal(json.dumps({"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claims}))


def status(headers: dict[str, str], least: AppRole = AppRole.READER) -> int:
    """What the caller is answered; 200 if nothing is said against it."""
    try:
        require(headers, least)
    except Problem as problem:
        return problem.status
    return 200


@pytest.fixture
def platform_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN, "required")
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")


@pytest.mark.usefixtures("platform_signs_in")
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
    assert [status(role(*names), least) for least in AppRole] == [200 if least <= may else 403 for least in AppRole]


@pytest.mark.usefixtures("platform_signs_in")
def test_without_the_header_nobody_is_signed_in() -> None:
    assert status({}) == 401
    with pytest.raises(Problem) as raised:
        signed_in(role("Administrator"))
    assert raised.value.status == 401


@pytest.mark.parametrize("switch", [None, "False", "true", "1"])
@pytest.mark.parametrize("setting", ["required", None, "", "Off", "of", "OFF ", "false"])
def test_sign_in_is_required_unless_our_own_setting_says_off(
    setting: str | None, switch: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ((SIGN_IN, setting), ("WEBSITE_AUTH_ENABLED", switch)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    assert required()
    # The platform signs nobody in, so that anybody may have written these headers.
    assert status(role("Administrator")) == status({}) == 401
    with pytest.raises(Problem) as raised:
        signed_in({NAME: "ann@contoso.example"})
    assert raised.value.status == 401


def test_where_the_setting_says_off_the_function_key_is_all() -> None:
    assert not required()
    assert status({}, AppRole.ADMINISTRATOR) == 200


def test_where_the_platform_signs_in_the_setting_cannot_switch_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    assert required()
    assert status({}) == 401


DEEP = 200_000


@pytest.mark.usefixtures("platform_signs_in")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"claims": null}',
        '{"claims": {}}x',
        '{"claims": [1]}',
        '{"claims": [{"typ": []}]}',
        '{"claims": [{"typ": "roles", "val": {}}]}',
        '{"claims": [{"typ": "roles"}]}',
        "[" * DEEP,
        '{"claims":' * DEEP,
        '{"claims":' + "[" * DEEP + "]" * DEEP + "}",
        "9" * 10_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_forged_or_deeply_nested_principal_is_401(text: str) -> None:
    assert status(principal(text)) == 401


@given(st.text())
def test_whatever_stands_in_the_header_is_nobody(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SIGN_IN, "required")
        patch.setenv("WEBSITE_AUTH_ENABLED", "True")
        assert status({"x-ms-client-principal": text}) == 401
        assert status(principal(text)) == 401

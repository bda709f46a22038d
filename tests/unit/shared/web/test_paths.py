import pytest

from shared.domain.ids import derive
from shared.errors import NotFoundError
from shared.web.paths import incident_of


def test_our_ids_pass() -> None:
    assert incident_of({"incident_id": derive("inc", "1")}) == derive("inc", "1")


@pytest.mark.parametrize("text", ["", "a/b", "a\\b", "a?b", "a#b", "..", "a b", "a\n", "x" * 65, "\u0661", "inc-1'"])
def test_what_no_incident_is_called_is_not_looked_for(text: str) -> None:
    with pytest.raises(NotFoundError):
        incident_of({"incident_id": text})

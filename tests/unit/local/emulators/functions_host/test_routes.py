import pytest

from local.emulators.functions_host.config import Function, HostError
from local.emulators.functions_host.routes import HttpFrontend, Keys, Route


def _route(template: str | None, *methods: str, name: str = "f", level: str = "ANONYMOUS") -> Route:
    trigger = {"type": "httpTrigger", "name": "req", "authLevel": level, "methods": list(methods)}
    return Route(Function(name, {**trigger, "route": template} if template else trigger), "api")


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("incidents/{id}", "/api/incidents/i-1", {"id": "i-1"}),
        ("incidents/{id}", "/API/Incidents/i-1/", {"id": "i-1"}),
        ("incidents/{id}", "/api/incidents/a%2Fb%20c", {"id": "a/b c"}),
        ("incidents/{id}", "/api/incidents", None),
        ("incidents/{id}", "/api/incidents/a/b", None),
        ("incidents/{id}", "/incidents/a", None),
        ("incidents/{id}/activity.csv", "/api/incidents/a/activity.csv", {"id": "a"}),
        ("files/{*path}", "/api/files/a/b", {"path": "a/b"}),
        ("files/{*path}", "/api/files", {"path": ""}),
        (None, "/api/f", {}),
    ],
)
def test_templates(template: str | None, path: str, expected: dict[str, str] | None) -> None:
    assert _route(template).match("GET", path) == expected


def test_methods() -> None:
    assert _route("a", "POST").match("GET", "/api/a") is None
    assert _route("a", "POST").match("POST", "/api/a") == {}


@pytest.mark.parametrize("template", ["a/{id:int}", "a/{id?}", "a/x{id}"])
def test_what_is_not_understood_is_refused(template: str) -> None:
    with pytest.raises(HostError):
        _route(template)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(HostError):
        _route("a", level="USER")


def test_literals_come_before_parameters_whatever_the_order_of_definition() -> None:
    functions = [
        Function(name, {"type": "httpTrigger", "route": route, "authLevel": "ANONYMOUS"})
        for name, route in (("rest", "a/{*rest}"), ("any", "a/{x}"), ("literal", "a/b"))
    ]

    async def never(*_: object) -> tuple[dict[str, object], bytes]:
        raise NotImplementedError

    frontend = HttpFrontend(functions, "api", Keys("f", "m"), never)
    assert [route.name for route in frontend._routes] == ["literal", "any", "rest"]

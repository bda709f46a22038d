"""Users, groups, contacts, roles."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.local.emulators.graph.world import (
    ANNA,
    BEN,
    CONTACT,
    HIDDEN,
    LIST,
    ROLE,
    UNIFIED,
    Client,
)

EVENTUAL = {"ConsistencyLevel": "eventual"}
NO_OBJECT = "99999999-0000-4000-8000-000000000001"


def having(address: str) -> str:
    return "$filter=" + quote(f"proxyAddresses/any(p:p eq 'smtp:{address}')")


@pytest.mark.parametrize("address", ["anna.alias@contoso.example", "Anna@Contoso.example"])
async def test_a_user_by_any_of_its_addresses(graph: Client, address: str) -> None:
    query = f"{having(address)}&$select=id,proxyAddresses&$count=true&$top=2"
    answer = await graph.get(f"/users?{query}", **EVENTUAL)
    assert [item["id"] for item in answer.values] == [ANNA]
    assert answer.body["@odata.count"] == 1
    assert "SMTP:anna@contoso.example" in answer.values[0]["proxyAddresses"]
    assert answer.headers["x-ms-resource-unit"] == "1"


async def test_an_address_is_looked_up_in_one_collection(graph: Client) -> None:
    assert (await graph.get(f"/groups?{having('all@contoso.example')}")).values[0]["id"] == LIST
    assert (await graph.get(f"/users?{having('all@contoso.example')}")).values == []
    assert (await graph.get(f"/contacts?{having('out@outside.example')}")).values[0]["id"] == CONTACT
    hostile = having("x'' or p ne ''y")
    assert (await graph.get(f"/users?{hostile}")).values == []


async def test_several_addresses_at_once(graph: Client) -> None:
    text = quote(
        "proxyAddresses/any(p:p eq 'smtp:anna@contoso.example' or p eq 'smtp:ben@contoso.example') or mail eq 'x'"
    )
    assert {item["id"] for item in (await graph.get(f"/users?$filter={text}")).values} == {ANNA, BEN}


async def test_count_needs_the_header(graph: Client) -> None:
    answer = await graph.get("/users/$count", **EVENTUAL)
    assert (answer.status, answer.body) == (200, "8")
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await graph.get("/users/$count")).code == "Request_BadRequest"
    ignored = await graph.get("/users?$count=true")
    assert ignored.status == 200
    assert "@odata.count" not in ignored.body
    filtered = await graph.get(f"/groups/$count?{having('all@contoso.example')}", **EVENTUAL)
    assert filtered.body == "1"


@pytest.mark.parametrize("text", ["mail ne 'x'", "endswith(mail,'contoso.example')", "not (userType eq 'Guest')"])
async def test_advanced_queries(graph: Client, text: str) -> None:
    refused = await graph.get(f"/users?$filter={quote(text)}")
    assert (refused.status, refused.code) == (400, "Request_UnsupportedQuery")
    assert (await graph.get(f"/users?$filter={quote(text)}&$count=true", **EVENTUAL)).values


async def test_the_directory_refuses_contains(graph: Client) -> None:
    answer = await graph.get("/users?$count=true&$filter=contains(mail,'x')", **EVENTUAL)
    assert (answer.status, answer.code) == (400, "Request_UnsupportedQuery")


async def test_one_user_by_id_and_by_name(graph: Client) -> None:
    by_id = await graph.get(f"/users/{ANNA}?$select=department,jobTitle")
    assert (by_id.body["department"], by_id.body["jobTitle"]) == ("Sales", "Lead")
    assert (await graph.get("/users/Anna@contoso.example")).body["id"] == ANNA
    missing = await graph.get("/users/nobody")
    assert (missing.status, missing.code) == (404, "Request_ResourceNotFound")


async def test_proxy_addresses_come_when_selected_only(graph: Client) -> None:
    assert "proxyAddresses" not in (await graph.get(f"/users/{ANNA}")).body


async def test_members_and_transitive_members(graph: Client) -> None:
    direct = (await graph.get(f"/groups/{LIST}/members?$select=id,mail,proxyAddresses")).values
    assert [(item["@odata.type"], item["id"]) for item in direct] == [
        ("#microsoft.graph.user", ANNA),
        ("#microsoft.graph.orgContact", CONTACT),
        ("#microsoft.graph.group", UNIFIED),
    ]
    # LIST and UNIFIED contain each other.
    nested = (await graph.get(f"/groups/{LIST}/transitiveMembers")).values
    assert {item["id"] for item in nested} == {ANNA, BEN, CONTACT, UNIFIED}


async def test_members_of_one_type(graph: Client) -> None:
    url = f"/groups/{LIST}/transitiveMembers/microsoft.graph.user"
    answer = await graph.get(f"{url}?$count=true&$top=1&$select=id", **EVENTUAL)
    assert answer.body["@odata.count"] == 2
    further = await graph.get(answer.body["@odata.nextLink"].partition("/v1.0")[2], **EVENTUAL)
    assert {item["id"] for item in answer.values + further.values} == {ANNA, BEN}
    assert (await graph.get(url)).code == "Request_UnsupportedQuery"
    cast = await graph.get(f"/groups/{UNIFIED}/members/microsoft.graph.group?$count=true", **EVENTUAL)
    assert (cast.status, cast.code) == (400, "Request_UnsupportedQuery")
    assert (await graph.get(f"/groups/{LIST}/members/microsoft.graph.device", **EVENTUAL)).status == 501


async def test_hidden_membership_looks_empty(graph: Client) -> None:
    assert (await graph.get(f"/groups/{HIDDEN}/members")).values == []
    token = "app:GroupMember.Read.All Member.Read.Hidden User.Read.All"
    assert [item["id"] for item in (await graph.get(f"/groups/{HIDDEN}/members", token=token)).values] == [BEN]
    assert (await graph.get(f"/groups/{HIDDEN}?$select=visibility")).body["visibility"] == "HiddenMembership"


async def test_members_that_the_app_may_not_read_have_no_address(graph: Client) -> None:
    token = "app:GroupMember.Read.All User.Read.All"
    found = (await graph.get(f"/groups/{LIST}/members?$select=id,mail", token=token)).values
    assert {item["id"]: item["mail"] for item in found} == {
        ANNA: "anna@contoso.example",
        CONTACT: None,
        UNIFIED: None,
    }


async def test_roles_and_get_by_ids(graph: Client) -> None:
    role = (await graph.get("/directoryRoles?$filter=displayName%20eq%20'Global%20Administrator'")).values[0]
    assert role["id"] == ROLE
    assert [item["id"] for item in (await graph.get(f"/directoryRoles/{ROLE}/members")).values] == [ANNA]
    wanted = [CONTACT, ANNA, NO_OBJECT]
    found = await graph.post("/directoryObjects/getByIds", {"ids": wanted, "types": ["user"]})
    assert [item["id"] for item in found.values] == [ANNA]
    bodies: list[dict[str, Any]] = [{"ids": [ANNA, "x"]}, {"ids": [ANNA], "types": [{}]}, {"ids": [[]]}, {"ids": ANNA}]
    for body in bodies:
        malformed = await graph.post("/directoryObjects/getByIds", body)
        assert (malformed.status, malformed.code) == (400, "Request_BadRequest")
    assert (await graph.post("/directoryObjects/getByIds", {"ids": [ANNA], "types": ["device"]})).status == 501
    assert (await graph.post("/directoryObjects/getByIds", {"ids": ["x"] * 1001})).status == 400


@pytest.mark.parametrize(
    ("url", "token"),
    [("/users", "app:Mail.ReadWrite"), (f"/groups/{LIST}/members", "app:User.Read.All"), ("/contacts", "app:none")],
)
async def test_a_missing_permission(graph: Client, url: str, token: str) -> None:
    answer = await graph.get(url, token=token)
    assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")


async def test_a_bad_token(graph: Client) -> None:
    answer = await graph.get("/users", token="bad")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    bare = await graph.http.get("/v1.0/users")
    assert bare.status == 401
    other = await graph.http.get("/beta/users", headers={"Authorization": "Bearer app"})
    assert other.status == 400


async def test_resource_units_run_out(graph: Client) -> None:
    # A tenant of under 50 users has 3500 in ten seconds; transitiveMembers cost five each.
    for _ in range(700):
        answer = await graph.get(f"/groups/{LIST}/transitiveMembers")
        assert answer.status == 200
    answer = await graph.get(f"/groups/{LIST}/transitiveMembers")
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert (await graph.get("/users", token="other")).status == 200


async def test_user_pages(graph: Client) -> None:
    first = await graph.get("/users?$top=5&$select=id")
    second = await graph.get(first.body["@odata.nextLink"].partition("/v1.0")[2])
    assert (len(first.values), len(second.values)) == (5, 3)
    assert "@odata.nextLink" not in second.body
    assert (await graph.get("/users?$skiptoken=nonsense")).status == 400
    for top in ("9" * 5000, "%C2%B2", "0", "1000"):
        assert (await graph.get(f"/users?$top={top}")).status == 400


@pytest.mark.parametrize("path", ["groups", "contacts"])
async def test_a_malformed_object_id(graph: Client, path: str) -> None:
    malformed = await graph.get(f"/{path}/x")
    assert (malformed.status, malformed.code) == (400, "Request_BadRequest")
    absent = await graph.get(f"/{path}/{NO_OBJECT}")
    assert (absent.status, absent.code) == (404, "Request_ResourceNotFound")


@pytest.mark.parametrize(
    "url", ["users/delta", "users/microsoft.graph.delta()", "groups/delta", "contacts/delta", "contacts/$count",
            f"groups/{LIST}/members/$ref", "users/getByIds", f"users/{ANNA}/memberOf"]
)  # fmt: skip
async def test_an_operation_on_a_collection_is_not_taken_for_an_id(graph: Client, url: str) -> None:
    answer = await graph.get(f"/{url}", **EVENTUAL)
    assert (answer.status, answer.code) == (501, "LocalGraphNotSupported")
    assert url.rpartition("/")[2] in answer.body["error"]["message"]


async def test_a_key_in_brackets_is_always_an_id(graph: Client) -> None:
    assert (await graph.get("/users('delta')")).code == "Request_ResourceNotFound"
    assert (await graph.get(f"/users('{ANNA}')")).status == 200


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("accountEnabled eq 'true'", "BadRequest"),
        ("displayName/first eq 'x'", "BadRequest"),
        ("proxyAddresses eq 'smtp:x'", "BadRequest"),
        ("proxyAddresses/any(p:p/x eq 'y')", "BadRequest"),
        ("nope eq 'x'", "BadRequest"),
        ("displayName gt 'a'", "Request_UnsupportedQuery"),
        ("endswith(displayName,'a')", "Request_UnsupportedQuery"),
        ("proxyAddresses/$count gt 1", "Request_UnsupportedQuery"),
        ("mail eq 'x' or contains(displayName,'x')", "Request_UnsupportedQuery"),
        ("department ne 'x' or contains(displayName,'x')", "Request_UnsupportedQuery"),
    ],
)
async def test_filters_that_the_directory_refuses(graph: Client, text: str, code: str) -> None:
    for headers in ({}, EVENTUAL):
        answer = await graph.get(f"/users?$count=true&$filter={quote(text)}", **headers)
        assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("proxyAddresses/$count eq 0", 0),
        ("proxyAddresses/$count ne 0", 8),
        ("companyName eq 'x'", 0),
        ("department eq null", 7),
        ("NOT(startsWith(displayName,'a')) AND userType eq 'Member'", 6),
        ("proxyAddresses/any(p:endsWith(p,'.alias@contoso.example'))", 8),
    ],
)
async def test_filters_that_need_an_advanced_query(graph: Client, text: str, number: int) -> None:
    for url, headers in (
        (f"/users?$count=true&$filter={quote(text)}", {}),
        (f"/users?$filter={quote(text)}", EVENTUAL),
    ):
        answer = await graph.get(url, **headers)
        assert (answer.status, answer.code) == (400, "Request_UnsupportedQuery")
    answer = await graph.get(f"/users?$count=true&$filter={quote(text)}", **EVENTUAL)
    assert len(answer.values) == answer.body["@odata.count"] == number


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/users?$orderby=displayName", 200),
        ("/users?$orderby=userPrincipalName%20desc", 200),
        ("/groups?$orderby=displayName", 200),
        ("/users?$orderby=department", 400),
        ("/users?$orderby=mail", 400),
        ("/users?$orderby=proxyAddresses", 400),
        ("/groups?$orderby=mail", 400),
        ("/contacts?$orderby=displayName", 400),
        ("/users?$orderby=createdDateTime", 501),
    ],
)
async def test_which_properties_can_be_sorted_by(graph: Client, url: str, status: int) -> None:
    assert (await graph.get(url)).status == status


async def test_contacts_are_sorted_in_an_advanced_query(graph: Client) -> None:
    assert (await graph.get("/contacts?$orderby=displayName&$count=true", **EVENTUAL)).status == 200
    assert (await graph.get("/users?$orderby=department&$count=true", **EVENTUAL)).code == "Request_UnsupportedQuery"


async def test_select_shows_what_is_selected_and_nothing_else(graph: Client) -> None:
    answer = await graph.get("/users?$select=displayName,Mail")
    assert {tuple(item) for item in answer.values} == {("displayName", "mail")}
    assert answer.body["@odata.context"].endswith("$metadata#users(displayName,Mail)")
    one = await graph.get(f"/users/{ANNA}?$select=jobTitle")
    assert set(one.body) == {"@odata.context", "jobTitle"}
    members = (await graph.get(f"/groups/{LIST}/members?$select=userPrincipalName")).values
    assert {tuple(item) for item in members} == {("@odata.type", "userPrincipalName"), ("@odata.type",)}
    assert (await graph.get("/users?$select=nonsense")).status == 400
    assert (await graph.get("/users?$select=manager")).status == 501

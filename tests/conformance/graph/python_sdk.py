"""Documented calls, made with Microsoft's SDK for Python. Each case is named after a page of the documentation."""

import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from tests.conformance.graph.outcome import Outcome, Result
from tests.conformance.graph.tenant import ADA, CONTACT, GROUP, PARENT, PLAIN_MESSAGES, ROLE

with warnings.catch_warnings():
    # kiota warns of a class of its own when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kiota_abstractions.api_error import APIError
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from kiota_http.middleware.options import RetryHandlerOption
    from msgraph.generated.directory_objects.get_by_ids.get_by_ids_post_request_body import GetByIdsPostRequestBody
    from msgraph.generated.models.followup_flag import FollowupFlag
    from msgraph.generated.models.followup_flag_status import FollowupFlagStatus
    from msgraph.generated.models.mail_folder import MailFolder
    from msgraph.generated.models.message import Message
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.users.item.messages.item.copy.copy_post_request_body import CopyPostRequestBody
    from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
    from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from msgraph.graph_service_client import GraphServiceClient
    from msgraph_core import GraphClientFactory, PageIterator  # type: ignore[import-untyped] # ships no py.typed

Call = Callable[["World"], Awaitable[object]]
_ABSENT = "AAMk" + "A" * 44
_CASES: dict[str, Call] = {}
_REFUSALS = frozenset({400, 501})


class World:
    """The client and its mailbox."""

    def __init__(self, client: GraphServiceClient, adapter: GraphRequestAdapter, mailbox: str) -> None:
        self.client = client
        self.adapter = adapter
        self.me = client.users.by_user_id(mailbox)

    async def id_of(self, name: str, **headers: str) -> str:
        """The id of the message with this Message-ID."""
        found = await _ask(self.me.messages, headers, filter=f"internetMessageId eq '<{name}@contoso.example>'")
        assert found is not None
        assert found.value
        (message,) = found.value
        return str(message.id)


def _headers(headers: dict[str, str] | None, query: Any = None) -> Any:
    asked: RequestConfiguration[Any] = RequestConfiguration(query_parameters=query)
    for name, value in (headers or {}).items():
        asked.headers.add(name, value)
    return asked


async def _ask(builder: Any, headers: dict[str, str] | None = None, **options: Any) -> Any:
    """GET with headers and query options, which are an object of the builder's own class."""
    kind = type(builder)
    query = getattr(kind, f"{kind.__name__}GetQueryParameters")(**options)
    return await builder.get(_headers(headers, query))


_EVENTUAL = {"ConsistencyLevel": "eventual"}


def _case(name: str) -> Callable[[Call], Call]:
    def keep(run: Call) -> Call:
        _CASES[name] = run
        return run

    return keep


def _refused(name: str, status: int, code: str) -> Callable[[Call], Call]:
    """A call that Graph refuses, as the documentation says: it passes with this status and code only."""

    def keep(run: Call) -> Call:
        async def expect(world: World) -> None:
            answer: object = None
            try:
                answer = await run(world)
            except ODataError as error:
                answer = (error.response_status_code, error.error.code if error.error else None)
            assert answer == (status, code), answer

        _CASES[name] = expect
        return run

    return keep


@_case("user-list-messages: ten messages")
async def _ten(world: World) -> None:
    found = await world.me.messages.get()
    assert found is not None
    assert len(found.value or ()) == 10
    assert found.odata_next_link


@_case("user-list-messages: $select=sender,subject")
async def _select(world: World) -> None:
    found = await _ask(world.me.messages, select=["sender", "subject"])
    assert found is not None
    for one in found.value or ():
        assert one.subject is not None
        assert one.sender is not None
        assert (one.body, one.is_read) == (None, None)


@_case("user-list-messages: Prefer outlook.body-content-type")
async def _text(world: World) -> None:
    found = await _ask(world.me.messages, {"Prefer": 'outlook.body-content-type="text"'}, filter="subject eq 'Page'")
    assert found is not None
    assert found.value
    body = found.value[0].body
    assert body is not None
    assert (body.content_type, body.content) == ("text", "Hello there")


@_case("paging: all pages with the SDK's PageIterator")
async def _pages(world: World) -> None:
    first = await _ask(world.me.mail_folders.by_mail_folder_id("inbox").messages, top=7, select=["id"])
    seen: list[str] = []

    def keep(one: Any) -> bool:
        seen.append(one.id)
        return True

    await PageIterator(first, world.adapter).iterate(keep)
    assert len(set(seen)) == len(seen) >= PLAIN_MESSAGES


@_case("paging: Prefer odata.maxpagesize")
async def _page_size(world: World) -> None:
    found = await _ask(world.me.messages, {"Prefer": "odata.maxpagesize=3"})
    assert found is not None
    assert len(found.value or ()) == 3


@_case("filter-query-parameter: receivedDateTime and from")
async def _filter(world: World) -> None:
    since = (datetime.now(UTC) - timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"receivedDateTime ge {since} and from/emailAddress/address eq 'mallory@fabrikam.example'"
    found = await _ask(world.me.messages, filter=text, orderby=["receivedDateTime desc"], count=True)
    assert found is not None
    assert found.value
    assert found.odata_count is not None


@_refused("user-list-messages: $orderby on a property that $filter lacks", 400, "InefficientFilter")
async def _inefficient(world: World) -> object:
    return await _ask(world.me.messages, filter="isRead eq false", orderby=["receivedDateTime"])


@_refused("msgraph-sdk-dotnet issue 2572: endswith on messages", 400, "ErrorInvalidUrlQueryFilter")
async def _endswith(world: World) -> object:
    return await _ask(world.me.messages, _EVENTUAL, filter="endswith(subject, 'FooBar')", count=True)


@_case("search-query-parameter: $search on messages")
async def _search(world: World) -> object:
    return await _ask(world.me.messages, search='"report"')


@_case("message-get")
async def _get(world: World) -> None:
    key = await world.id_of("plain-1")
    found = await world.me.messages.by_message_id(key).get()
    assert found is not None
    assert (found.subject, found.is_draft) == ("Report 1", False)
    assert found.received_date_time is not None


@_refused("errors: an id that is malformed", 400, "ErrorInvalidIdMalformed")
async def _malformed(world: World) -> object:
    return await world.me.messages.by_message_id("no-such-message").get()


@_refused("errors: an id that no message has", 404, "ErrorItemNotFound")
async def _absent(world: World) -> object:
    return await world.me.messages.by_message_id(_ABSENT).get()


@_case("message-get: $value is the MIME content")
async def _mime(world: World) -> object:
    return await world.me.messages.by_message_id(await world.id_of("plain-1")).content.get()


@_case("message-list-attachments")
async def _attachments(world: World) -> object:
    return await world.me.messages.by_message_id(await world.id_of("plain-1")).attachments.get()


@_case("message-update: isRead, categories and flag")
async def _update(world: World) -> None:
    flag = FollowupFlag(flag_status=FollowupFlagStatus.Flagged)
    change = Message(is_read=True, categories=["Red category"], flag=flag)
    found = await world.me.messages.by_message_id(await world.id_of("update")).patch(change)
    assert found is not None
    assert found.flag is not None
    assert (found.is_read, found.categories) == (True, ["Red category"])
    assert found.flag.flag_status is FollowupFlagStatus.Flagged


@_case("message-move")
async def _move(world: World) -> None:
    message = world.me.messages.by_message_id(await world.id_of("move"))
    moved = await message.move.post(MovePostRequestBody(destination_id="deleteditems"))
    folder = await world.me.mail_folders.by_mail_folder_id("deleteditems").get()
    assert moved is not None
    assert folder is not None
    assert moved.parent_folder_id == folder.id


@_case("outlook-immutable-id: a move keeps the id")
async def _immutable(world: World) -> None:
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    key = await world.id_of("stable", **prefer)
    message = world.me.messages.by_message_id(key)
    moved = await message.move.post(MovePostRequestBody(destination_id="archive"), _headers(prefer))
    assert moved is not None
    assert moved.id == key


@_case("message-copy")
async def _copy(world: World) -> object:
    message = world.me.messages.by_message_id(await world.id_of("plain-1"))
    return await message.copy.post(CopyPostRequestBody(destination_id="archive"))


@_case("message-delete")
async def _delete(world: World) -> None:
    await world.me.messages.by_message_id(await world.id_of("delete")).delete()


@_case("message-permanentdelete")
async def _purge(world: World) -> None:
    await world.me.messages.by_message_id(await world.id_of("purge")).permanent_delete.post()


@_case("user-sendmail")
async def _send(world: World) -> None:
    await world.me.send_mail.post(SendMailPostRequestBody(message=Message(subject="Hi")))


@_case("user-post-messages: create a draft")
async def _draft(world: World) -> object:
    return await world.me.messages.post(Message(subject="Hi"))


@_case("message-delta")
async def _message_delta(world: World) -> object:
    return await world.me.mail_folders.by_mail_folder_id("inbox").messages.delta.get()


@_case("query-parameters: /messages/$count")
async def _count_messages(world: World) -> object:
    return await world.me.messages.count.get()


@_case("singlevaluelegacyextendedproperty-get: filter by a MAPI property, and expand it")
async def _extended(world: World) -> None:
    found = await _ask(
        world.me.mail_folders.by_mail_folder_id("sentitems").messages,
        filter=f"singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1042' and ep/value eq '{PARENT}')",
        expand=["singleValueExtendedProperties($filter=id eq 'String 0x1042')"],
    )
    assert found is not None
    assert found.value
    (one,) = found.value[0].single_value_extended_properties
    assert (one.id, one.value) == ("String 0x1042", PARENT)


@_case("user-list-mailfolders: includeHiddenFolders")
async def _folders(world: World) -> None:
    found = await _ask(world.me.mail_folders, include_hidden_folders="true", top=100)
    assert found is not None
    assert {"Inbox", "Hidden"} <= {one.display_name for one in found.value or ()}


@_case("user-post-mailfolders: a hidden folder")
async def _new_folder(world: World) -> None:
    made = await world.me.mail_folders.post(MailFolder(display_name="Clutter", is_hidden=True))
    assert made is not None
    assert (made.display_name, made.is_hidden) == ("Clutter", True)


@_case("mailfolder-update")
async def _rename(world: World) -> object:
    return await world.me.mail_folders.by_mail_folder_id("archive").patch(MailFolder(display_name="Old"))


@_case("mailfolder-delete")
async def _delete_folder(world: World) -> None:
    await world.me.mail_folders.by_mail_folder_id("archive").delete()


@_case("mailfolder-list-messagerules")
async def _rules(world: World) -> None:
    found = await world.me.mail_folders.by_mail_folder_id("inbox").message_rules.get()
    assert found is not None
    assert found.value
    actions = found.value[0].actions
    assert actions is not None
    assert actions.redirect_to is not None
    assert actions.redirect_to[0].email_address is not None
    assert actions.redirect_to[0].email_address.address == "out@fabrikam.example"


@_case("user-get-mailboxsettings")
async def _settings(world: World) -> object:
    return await world.me.mailbox_settings.get()


@_case("user-get-mailboxsettings: userPurpose")
async def _purpose(world: World) -> None:
    found = await _ask(world.me.mailbox_settings, select=["userPurpose"])
    assert found is not None
    assert found.user_purpose == "user"


@_case("user-list: endsWith(mail,…) with $count and $orderby")
async def _users(world: World) -> None:
    found = await _ask(
        world.client.users,
        _EVENTUAL,
        filter="endsWith(mail,'contoso.example')",
        orderby=["userPrincipalName"],
        count=True,
    )
    assert found is not None
    assert [one.display_name for one in found.value or ()] == ["Ada", "Bob", "Clio"]
    assert found.odata_count == 3


@_case("user-list: a count of users")
async def _count_users(world: World) -> None:
    assert await world.client.users.count.get(_headers(_EVENTUAL)) == 3


@_refused("aad-advanced-queries: ne without its parameters", 400, "Request_UnsupportedQuery")
async def _not_advanced(world: World) -> object:
    return await _ask(world.client.users, filter="accountEnabled ne true")


@_case("user-list: proxyAddresses/any(p:p eq …)")
async def _by_address(world: World) -> None:
    found = await _ask(
        world.client.users, _EVENTUAL, filter="proxyAddresses/any(p:p eq 'smtp:ada@contoso.example')", count=True
    )
    assert found is not None
    assert [one.id for one in found.value or ()] == [ADA]


@_case("user-get: by user principal name")
async def _user(world: World) -> None:
    found = await world.client.users.by_user_id("ada@contoso.example").get()
    assert found is not None
    assert found.id == ADA


@_refused("errors: a user that does not exist", 404, "Request_ResourceNotFound")
async def _nobody(world: World) -> object:
    return await world.client.users.by_user_id("nobody@contoso.example").get()


@_case("user-delta")
async def _user_delta(world: World) -> object:
    return await world.client.users.delta.get()


@_case("user-list-memberof")
async def _member_of(world: World) -> object:
    return await world.me.member_of.get()


@_case("group-list-members")
async def _members(world: World) -> None:
    found = await world.client.groups.by_group_id(GROUP).members.get()
    assert found is not None
    assert sorted(type(one).__name__ for one in found.value or ()) == ["Group", "OrgContact", "User"]


@_case("group-list-transitivemembers: users only")
async def _transitive(world: World) -> None:
    members = world.client.groups.by_group_id(GROUP).transitive_members.graph_user
    found = await _ask(members, _EVENTUAL, count=True)
    assert found is not None
    assert sorted(str(one.display_name) for one in found.value or ()) == ["Ada", "Bob"]


@_case("orgcontact-get")
async def _contact(world: World) -> None:
    found = await world.client.contacts.by_org_contact_id(CONTACT).get()
    assert found is not None
    assert found.mail == "out@fabrikam.example"


@_case("directoryrole-list-members")
async def _role(world: World) -> None:
    found = await world.client.directory_roles.by_directory_role_id(ROLE).members.get()
    assert found is not None
    assert [one.id for one in found.value or ()] == [ADA]


@_case("directoryobject-getbyids")
async def _by_ids(world: World) -> None:
    found = await world.client.directory_objects.get_by_ids.post(
        GetByIdsPostRequestBody(ids=[ADA, GROUP], types=["user"])
    )
    assert found is not None
    assert [one.id for one in found.value or ()] == [ADA]


@_case("messagetracingroot-list-messagetraces")
async def _trace(world: World) -> None:
    found = await _ask(world.client.admin.exchange.tracing.message_traces, filter=f"messageId eq '{PARENT}'")
    assert found is not None
    assert [(one.recipient_address, one.status) for one in found.value or ()] == [("ada@contoso.example", "delivered")]


@_case("subscription-list")
async def _subscriptions(world: World) -> object:
    return await world.client.subscriptions.get()


class _Credential(AsyncTokenCredential):
    """A credential with one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)

    async def close(self) -> None:
        return

    async def __aexit__(self, *_: object) -> None:
        return


@asynccontextmanager
async def _world(url: str, token: str, mailbox: str, ca: str) -> AsyncIterator[World]:
    options = {RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0)}
    transport = httpx.AsyncHTTPTransport(verify=ca)
    http = GraphClientFactory.create_with_default_middleware(
        client=httpx.AsyncClient(transport=transport), options=options
    )
    scopes = ["https://graph.microsoft.com/.default"]
    provider = AzureIdentityAuthenticationProvider(_Credential(token), scopes=scopes, allowed_hosts=["127.0.0.1"])
    adapter = GraphRequestAdapter(provider, http)
    adapter.base_url = f"{url}/v1.0"
    yield World(GraphServiceClient(request_adapter=adapter), adapter, mailbox)
    # The SDK's transport does not close the one that it wraps.
    await transport.aclose()
    await http.aclose()


async def run(url: str, token: str, mailbox: str, ca: str) -> list[Outcome]:
    """Run all cases, one after the other; the outcome of each."""
    outcomes = []
    async with _world(url, token, mailbox, ca) as world:
        for name, call in _CASES.items():
            result, detail = Result.PASSED, ""
            try:
                await call(world)
            except APIError as error:
                status = error.response_status_code
                result = Result.REFUSED if status in _REFUSALS else Result.DIFFERENT
                told = getattr(error, "error", None)
                detail = f"{status} {told.code}: {told.message}" if told else f"{status} {error}"
            except Exception as error:  # noqa: BLE001 - any error of a client is a difference
                result, detail = Result.DIFFERENT, f"{type(error).__name__}: {error}"
            outcomes.append(Outcome(name, result, " ".join(detail.split())[:300]))
    return outcomes

"""Microsoft's SDK for Python against the local Graph (tests/conformance/graph has many more calls)."""

import time
import warnings
from typing import Any

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from tests.unit.local.emulators.graph.world import BEN, HYBRID, LIST, PHISH, Client

with warnings.catch_warnings():
    # kiota warns of a class of its own when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from kiota_http.middleware.options import RetryHandlerOption
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
    from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from msgraph.graph_service_client import GraphServiceClient
    from msgraph_core import GraphClientFactory  # type: ignore[import-untyped] # ships no py.typed


class _Credential(AsyncTokenCredential):
    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("app", int(time.time()) + 3600)

    async def close(self) -> None:
        return

    async def __aexit__(self, *_: object) -> None:
        return


# The SDK warns of its own classes whenever a module of it is imported, which it does late.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_find_move_and_read(graph: Client) -> None:
    options = {RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0)}
    transport = httpx.AsyncHTTPTransport()
    client = httpx.AsyncClient(transport=transport)
    http = GraphClientFactory.create_with_default_middleware(client=client, options=options)
    scopes = ["https://graph.microsoft.com/.default"]
    provider = AzureIdentityAuthenticationProvider(_Credential(), scopes=scopes, allowed_hosts=["127.0.0.1"])
    adapter = GraphRequestAdapter(provider, http)
    # With a slash at its end, so that paths begin with two slashes, as those of the default client do.
    adapter.base_url = str(graph.http.make_url("/v1.0/"))
    sdk = GraphServiceClient(request_adapter=adapter)
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
        filter="internetMessageId eq '" + PHISH.replace("'", "''") + "'"
    )
    wanted = RequestConfiguration(query_parameters=query)
    wanted.headers.add("Prefer", 'IdType="ImmutableId"')

    found = await sdk.users.by_user_id(BEN).messages.get(wanted)
    assert found is not None
    assert found.value is not None
    (item,) = found.value
    assert (item.internet_message_id, item.is_read) == (PHISH, False)
    assert item.from_ is not None
    assert item.received_date_time is not None

    message = sdk.users.by_user_id(BEN).messages.by_message_id(str(item.id))
    moved = await message.move.post(MovePostRequestBody(destination_id="archive"))
    assert moved is not None
    assert moved.parent_folder_id != item.parent_folder_id

    members = await sdk.groups.by_group_id(LIST).members.get()
    assert members is not None
    assert [type(member).__name__ for member in members.value or ()] == ["User", "OrgContact", "Group"]

    with pytest.raises(ODataError) as refused:
        await sdk.users.by_user_id(HYBRID).messages.get()
    assert refused.value.error is not None
    assert refused.value.error.code == "MailboxNotEnabledForRESTAPI"
    # The SDK's transport does not close the one that it wraps.
    await transport.aclose()
    await http.aclose()

"""The loop that a user would write from msgraph-sdk's documentation: search by Message-ID, move what is found.

It records nothing, verifies nothing and stops at the first error. Started by run.py; prints one JSON line.
"""

import asyncio
import json
import os
import sys
import time

from azure.identity.aio import ManagedIdentityCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder


async def pull(graph: GraphServiceClient, user: str, message_id: str) -> int:
    """Search one mailbox and move what is found to Deleted Items; how many were moved."""
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
        filter=f"internetMessageId eq '{message_id}'"
    )
    configuration = MessagesRequestBuilder.MessagesRequestBuilderGetRequestConfiguration(query_parameters=query)
    found = await graph.users.by_user_id(user).messages.get(request_configuration=configuration)
    messages = (found.value if found else None) or []
    for message in messages:
        body = MovePostRequestBody(destination_id="deleteditems")
        await graph.users.by_user_id(user).messages.by_message_id(message.id or "").move.post(body)
    return len(messages)


async def main() -> None:
    """Pull from the mailboxes that standard input names, as {"users": [...], "messageId": "..."}."""
    work = json.load(sys.stdin)
    async with ManagedIdentityCredential(client_id=os.environ["CLAWBACK_CLIENT_ID"]) as credential:
        provider = AzureIdentityAuthenticationProvider(
            credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=["127.0.0.1"]
        )
        adapter = GraphRequestAdapter(provider)
        adapter.base_url = os.environ["CLAWBACK_GRAPH_URL"]
        graph = GraphServiceClient(request_adapter=adapter)
        # The first call loads the SDK's models (over a second); it is not held against the loop.
        moved = await pull(graph, work["users"][0], work["messageId"])
        cpu, wall = time.process_time(), time.perf_counter()
        for user in work["users"][1:]:
            moved += await pull(graph, user, work["messageId"])
        rest = len(work["users"]) - 1
        print(
            json.dumps(
                {
                    "targets": rest,
                    "moved": moved,
                    "cpuMsPerTarget": (time.process_time() - cpu) / rest * 1000,
                    "seconds": time.perf_counter() - wall,
                }
            )
        )


if __name__ == "__main__":
    asyncio.run(main())

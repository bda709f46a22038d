"""The SDK's HTTP pipeline: tokens, continuous access evaluation, telemetry. Bytes come out, no models (ADR 0007)."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import CredentialUnavailableError
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RedirectHandlerOption, RetryHandlerOption
from msgraph_core import BaseGraphRequestAdapter, GraphClientFactory  # type: ignore[import-untyped]  # it has none

from shared.errors import DeniedError, UnavailableError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

# httpx logs a line for each request, which would be most of our log and says nothing that our events do not say.
logging.getLogger("httpx").setLevel(logging.WARNING)

# Microsoft Graph's application id URI: what a token for it is asked for, wherever it is served.
SCOPE = "https://graph.microsoft.com/.default"
# Seconds. Twenty requests to Outlook, four at a time, take five times as long as one (graph.md 7.2).
_READ_TIMEOUT = 100.0
_CONNECT_TIMEOUT = 10.0
# httpx closes an idle connection after 5 s. The stages of one case are seconds apart, and each TLS handshake costs some
# milliseconds of CPU.
_IDLE = 60.0

# Retries are delayed queue messages: the SDK would send a move again that may have happened. Graph's API does not
# redirect, and we follow no redirect of a POST.
_OPTIONS = {
    RetryHandlerOption.get_key(): RetryHandlerOption(should_retry=False),
    RedirectHandlerOption.get_key(): RedirectHandlerOption(should_redirect=False),
}


class LostAnswerError(UnavailableError):
    """The request was sent, and no answer came: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `document` is the parsed JSON, None if there was none."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Pipeline:
    """One client for one event loop."""

    def __init__(self, graph_url: str, credential: "AsyncTokenCredential", *, connections: int) -> None:
        self.base = graph_url.rstrip("/")
        host = urlsplit(self.base).hostname or ""
        # HTTP/1.1: a few connections with large answers; HTTP/2 in pure Python costs more CPU than it saves.
        # Kept by us, since the SDK's transport around it does not close it.
        limits = httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_IDLE
        )
        self._transport = httpx.AsyncHTTPTransport(limits=limits)
        timeout = httpx.Timeout(_READ_TIMEOUT, connect=_CONNECT_TIMEOUT)
        self._client = GraphClientFactory.create_with_default_middleware(
            client=httpx.AsyncClient(transport=self._transport, timeout=timeout), options=_OPTIONS
        )
        # Without allowed hosts the token would go to any host that a nextLink names (graph.md 1).
        provider = AzureIdentityAuthenticationProvider(credential, scopes=[SCOPE], allowed_hosts=[host])
        self._adapter = BaseGraphRequestAdapter(provider, http_client=self._client)

    async def post(self, path: str, body: Any) -> Reply:
        """One POST, sent once.

        Args:
            path: below the version, beginning with a slash, encoded.
            body: a JSON value.

        Raises:
            LostAnswerError: it may have been carried out.
            UnavailableError: there is no token or no connection now.
            DeniedError: we are refused a token.
        """
        request = RequestInformation(Method.POST)
        request.url = self.base + path
        request.set_stream_content(json.dumps(body).encode(), "application/json")
        span = self._adapter.start_tracing_span(request, "clawback")
        try:
            response = await self._adapter.get_http_response_message(request, span)
        except CredentialUnavailableError as error:
            # The identity endpoint does not answer, or does not know our identity yet.
            raise UnavailableError("Graph: no token") from error
        except ClientAuthenticationError as error:
            raise DeniedError("Graph: no token") from error
        except AzureError as error:
            raise UnavailableError("Graph: no token") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UnavailableError("Graph: no connection") from error
        except httpx.HTTPError as error:
            raise LostAnswerError("Graph: no answer") from error
        finally:
            span.end()
        return Reply(response.status_code, response.headers, _parse(response.content))

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()
        await self._transport.aclose()


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None

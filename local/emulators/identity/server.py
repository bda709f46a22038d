"""The App Service managed identity endpoint, which `ManagedIdentityCredential` talks to.

`GET {IDENTITY_ENDPOINT}?resource=…&api-version=2019-08-01&client_id=…` with the header `X-IDENTITY-HEADER`.
Plain HTTP on loopback, as in App Service. The header says which app is asking: it gets its own identities only.
"""

import time

from aiohttp import web

from local.emulators.identity.directory import Directory
from local.emulators.identity.tokens import LIFETIME, issue

PATH = "/msi/token"
_API_VERSION = "2019-08-01"


def create_app(directory: Directory, key: str) -> web.Application:
    """The endpoint for the apps of `directory`; tokens are signed with `key`."""

    async def token(request: web.Request) -> web.Response:
        app = directory.app(request.headers.get("X-IDENTITY-HEADER"))
        if app is None:
            return _error(401, "X-IDENTITY-HEADER is missing or wrong.")
        if request.query.get("api-version") != _API_VERSION:
            return _error(400, f"The local cloud speaks api-version {_API_VERSION} only.")
        resource = request.query.get("resource")
        if not resource:
            return _error(400, "The parameter resource is missing.")
        identity = app.identity(request.query.get("client_id"))
        if identity is None:
            return _error(400, "No User Assigned or Delegated Managed Identity found for specified ClientId.")
        caller = identity.caller(resource)
        if caller is None:
            return _error(400, f"AADSTS500011: The resource principal named {resource} was not found in the tenant.")
        return web.json_response(
            {
                "access_token": issue(caller, key, directory.tenant_id),
                "client_id": identity.client_id,
                "expires_on": str(int(time.time() + LIFETIME.total_seconds())),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    server = web.Application()
    server.router.add_get(PATH, token)
    return server


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)

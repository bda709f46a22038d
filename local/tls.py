"""TLS between the parts of the local cloud: one local authority, one server certificate.

Azure's SDKs send a bearer token over HTTPS only, so the local services speak HTTPS. Production code has no
switch for that: it trusts the authority because `SSL_CERT_FILE` names it, as any OpenSSL program would.
"""

import os
import ssl
import sys
from pathlib import Path

import trustme

_HOSTS = ("127.0.0.1", "localhost")


class LocalAuthority:
    """A certificate authority and a server certificate for loopback, as files in `directory`.

    Files that are there are used again: services that were started by another process stay trusted.
    """

    def __init__(self, directory: Path) -> None:
        self.ca = directory / "ca.pem"
        self.certificate = directory / "server.pem"
        self.key = directory / "server.key"
        if not (self.ca.exists() and self.certificate.exists() and self.key.exists()):
            self._make(directory)

    def _make(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="Clawback local cloud")
        server = authority.issue_cert(*_HOSTS)
        # Made unreadable to others before there is something to read.
        self.key.touch(mode=0o600)
        server.private_key_pem.write_to_path(str(self.key))
        for index, blob in enumerate(server.cert_chain_pems):
            blob.write_to_path(str(self.certificate), append=index > 0)
        authority.cert_pem.write_to_path(str(self.ca))

    def environment(self) -> dict[str, str]:
        """What makes a process that is still to start trust the authority, and nothing else."""
        return {"SSL_CERT_FILE": str(self.ca)}

    def server_context(self) -> ssl.SSLContext:
        """For a service that listens with the server certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a client of ours that trusts the authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca))

    def trust_in_this_process(self) -> None:
        """As `environment`, for the process that runs already (a test that uses the SDKs itself)."""
        os.environ.update(self.environment())
        if connector := sys.modules.get("aiohttp.connector"):
            # aiohttp reads the trusted authorities once, when it is imported; that has happened.
            connector._SSL_CONTEXT_VERIFIED.load_verify_locations(cafile=str(self.ca))  # noqa: SLF001 - no other way

"""TLS between the parts of the local cloud: one local authority, one server certificate.

Azure's SDKs send a bearer token over HTTPS only, so the local services speak HTTPS. Production code has no
switch for that: it trusts the authority because `SSL_CERT_FILE` names it, as any OpenSSL program would.
"""

import os
import ssl
import sys
from pathlib import Path

import trustme

from local.emulators import private

_HOSTS = ("127.0.0.1", "localhost")


class LocalAuthority:
    """A certificate authority and a server certificate for loopback, as files in `directory`.

    Files that are there are used again: services that were started by another process stay trusted.
    """

    def __init__(self, directory: Path) -> None:
        self.ca = directory / "ca.pem"
        self.certificate = directory / "server.pem"
        self.key = directory / "server.key"
        private.make_directory(directory)
        files = (self.ca, self.certificate, self.key)
        # A key that others could read is no longer a secret.
        if not all(file.exists() for file in files) or self.key.stat().st_mode & private.OTHERS:
            self._make()

    def _make(self) -> None:
        authority = trustme.CA(organization_name="Clawback local cloud")
        server = authority.issue_cert(*_HOSTS)
        private.write(self.key, server.private_key_pem.bytes().decode())
        private.write(self.certificate, "".join(blob.bytes().decode() for blob in server.cert_chain_pems))
        private.write(self.ca, authority.cert_pem.bytes().decode())

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

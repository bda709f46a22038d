"""Serving an aiohttp application from a process of its own until it is told to stop."""

import asyncio
import json
import signal
import ssl

from aiohttp import web

ADMIN_KEY_SETTING = "CLAWBACK_LOCAL_ADMIN_KEY"
"""Environment variable with the key that opens a local service's own `/_local/…` paths. Not an argument: everybody on
the machine can read those."""


async def serve(app: web.Application, port: int, *, tls: ssl.SSLContext | None = None, path: str = "") -> None:
    """Listen on loopback (`port` 0: any free one), announce `{"url": …}` in one line, end at SIGTERM or SIGINT."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
        await site.start()
        address = runner.addresses[0]
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        print(json.dumps({"url": f"{'https' if tls else 'http'}://127.0.0.1:{address[1]}{path}"}), flush=True)  # noqa: T201 - the announcement
        await stop.wait()
    finally:
        await runner.cleanup()

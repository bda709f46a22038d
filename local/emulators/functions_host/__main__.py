"""`python -m local.emulators.functions_host`: runs a function app as Azure's Functions host does.

Announces `{"url", "pid", "functions"}` in one line when it listens. Its keys come from its environment and are not
printed: the line ends in a log. SIGTERM drains: nothing new is taken, what runs is waited for. After `kill -9` the
workers end by themselves, and messages come back when their lease ends, as in Azure; `--lease-seconds` makes that
sooner than Azure's ten minutes.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from local.emulators.functions_host.config import FUNCTION_KEY_SETTING, MASTER_KEY_SETTING, HostError
from local.emulators.functions_host.host import Host, Options
from local.emulators.functions_host.queues import LEASE
from local.emulators.functions_host.routes import Keys


async def serve(options: Options, port: int) -> None:
    """Run the host until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    host = Host(options, os.environ)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await host.start()
    runner = web.AppRunner(host.web_app(), access_log=None)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        announcement = {
            "url": f"http://127.0.0.1:{runner.addresses[0][1]}",
            "pid": os.getpid(),
            "functions": sorted(host.functions),
        }
        print(json.dumps(announcement), flush=True)  # noqa: T201 - the announcement
        host.failed.add_done_callback(lambda _: stop.set())
        await stop.wait()
    finally:
        await runner.cleanup()
        await host.stop()
    if host.failed.done():
        host.failed.result()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.emulators.functions_host", description=__doc__)
    parser.add_argument("--app-root", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--lease-seconds", type=int, default=int(LEASE.total_seconds()), help="lease on messages")
    parser.add_argument("--announce", action="store_true", help="accepted for symmetry: it always announces itself")
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    function_key, master_key = (os.environ.get(name) for name in (FUNCTION_KEY_SETTING, MASTER_KEY_SETTING))
    if not function_key or not master_key:
        parser.error(f"set {FUNCTION_KEY_SETTING} and {MASTER_KEY_SETTING} to the keys that open it")
    options = Options(
        app_root=arguments.app_root.resolve(),
        workers=arguments.workers,
        lease=timedelta(seconds=arguments.lease_seconds),
        keys=Keys(function=function_key, master=master_key),
    )
    try:
        asyncio.run(serve(options, arguments.port))
    except HostError as error:
        logging.getLogger("host").error("%s", error)  # noqa: TRY400 - the message says it all
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

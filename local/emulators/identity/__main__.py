"""`python -m local.emulators.identity`: the managed identity endpoint as a process of its own."""

import argparse
import asyncio
import os
from pathlib import Path

from local.emulators.identity.directory import load
from local.emulators.identity.server import PATH, create_app
from local.emulators.identity.tokens import SIGNING_KEY_SETTING
from local.emulators.serve import serve


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.emulators.identity", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--directory", type=Path, required=True, help="a file of local.emulators.identity.directory")
    arguments = parser.parse_args()
    app = create_app(load(arguments.directory), os.environ[SIGNING_KEY_SETTING])
    asyncio.run(serve(app, arguments.port, path=PATH))


if __name__ == "__main__":
    main()

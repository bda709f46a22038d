"""`python -m local.identity`: the managed identity endpoint as a process of its own."""

import argparse
import asyncio
import os
from pathlib import Path

from local.identity.directory import load
from local.identity.server import PATH, create_app
from local.identity.tokens import SIGNING_KEY_SETTING
from local.serve import serve


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.identity", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--directory", type=Path, required=True, help="what local.identity.directory.dump wrote")
    arguments = parser.parse_args()
    app = create_app(load(arguments.directory), os.environ[SIGNING_KEY_SETTING])
    asyncio.run(serve(app, arguments.port, path=PATH))


if __name__ == "__main__":
    main()

"""What the other commands need of `clawback local up`, in one file that only its owner can read."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import USAGE, CommandError

DIRECTORY = Path("out") / "local"
"""State directory of `clawback local up`."""

STATE = DIRECTORY / "api.json"
"""`{"url", "key", "ca", "webhookSecrets": {source: secret}, "settings": {name: value}}`; written by local/stack.py."""

# App settings. Nothing else is taken over into this process's environment.
_SETTINGS = ("CLAWBACK_", "PipelineStorage__", "IDENTITY_")


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """The local cloud that runs in this folder.

    Args:
        url: address of the API, without `/api`.
        key: function key.
        ca: file with the local certificate authority.
        webhook_secrets: by source.
        settings: app settings by which queues and blobs are opened.
    """

    url: str
    key: str
    ca: str
    webhook_secrets: dict[str, str]
    settings: dict[str, str]

    def use_settings(self) -> None:
        """Put the settings into this process's environment, and trust the local certificate authority.

        Before the Azure SDKs are imported: their HTTP client reads the trusted authorities then.
        """
        os.environ.update({name: value for name, value in self.settings.items() if name.startswith(_SETTINGS)})
        os.environ["SSL_CERT_FILE"] = self.ca


def read() -> LocalCloud:
    """The local cloud of this folder.

    Raises:
        CommandError: none runs here, or its file is only half written.
    """
    try:
        state: dict[str, Any] = json.loads(STATE.read_text(encoding="utf-8"))
        return LocalCloud(
            url=str(state["url"]),
            key=str(state["key"]),
            ca=str(state["ca"]),
            webhook_secrets=_texts(state["webhookSecrets"]),
            settings=_texts(state["settings"]),
        )
    except OSError:
        raise CommandError(
            "Which Clawback? Give its address (--url and --key; for dead letters its app settings), "
            "or run `clawback local up` first",
            USAGE,
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(f"{STATE} is damaged: run `clawback local up` again", USAGE) from None


def _texts(values: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}

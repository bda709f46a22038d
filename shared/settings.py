"""The app settings, read once. No secret is among them but the webhooks' own."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# How long a worker that died keeps others from its work. Whoever works longer renews the lease of a case; work on a
# chunk stops before its lease ends (`functions.quarantine.engine`).
_LEASE_SECONDS = 90

WEBHOOK_SECRETS = "CLAWBACK_WEBHOOK_SECRETS"
ROLE = "CLAWBACK_ROLE"
SIGN_IN = "CLAWBACK_SIGN_IN_MODE"


class Role(StrEnum):
    """Which of the two apps this process is."""

    PIPELINE = "pipeline"
    WEB = "web"
    ALL = "all"


class SignInMode(StrEnum):
    """Whether people have to be signed in."""

    REQUIRED = "required"
    OFF = "off"
    """The function key is all: for the local cloud."""


class Settings(BaseSettings):
    """One field for each app setting, under the name that Bicep emits."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        case_sensitive=True,
        populate_by_name=True,
        env_nested_delimiter="__",
        # An error names the setting and not its value, which may be a secret.
        hide_input_in_errors=True,
    )

    role: Role = Field(Role.ALL, validation_alias=ROLE)
    sign_in: SignInMode = Field(SignInMode.REQUIRED, validation_alias=SIGN_IN)
    client_id: str | None = Field(None, validation_alias="CLAWBACK_CLIENT_ID")
    """Client id of the app's user-assigned managed identity."""
    queue_service: str = Field(validation_alias="PipelineStorage__queueServiceUri")
    blob_service: str = Field(validation_alias="PipelineStorage__blobServiceUri")
    cosmos_endpoint: str = Field(validation_alias="CLAWBACK_COSMOS_ENDPOINT")
    cosmos_database: str = Field("clawback", validation_alias="CLAWBACK_COSMOS_DATABASE")
    graph_url: str = Field("https://graph.microsoft.com/v1.0", validation_alias="CLAWBACK_GRAPH_URL")
    policy_path: Path = Field(Path("policy.yaml"), validation_alias="CLAWBACK_POLICY_PATH")
    quarantine_folder: str = Field("Clawback Quarantine", validation_alias="CLAWBACK_QUARANTINE_FOLDER")
    lease_seconds: int = Field(_LEASE_SECONDS, validation_alias="CLAWBACK_LEASE_SECONDS")
    webhook_secrets: dict[str, list[SecretStr]] = Field(default_factory=dict, validation_alias=WEBHOOK_SECRETS)
    """Secrets by source, each in a setting of its own (`…__<source>`, a JSON list): Key Vault references are whole
    settings. More than one is accepted at a time, so that rotation needs no moment."""

    @field_validator("webhook_secrets", mode="before")
    @classmethod
    def _usable(cls, given: Any) -> Any:
        # A secret that is not set yet (App Service leaves the reference there), or set wrong, closes its own source and
        # no other; the health check reports it.
        if not isinstance(given, dict):
            return given
        return {source: secrets if _texts(secrets) else [] for source, secrets in given.items()}


def _texts(secrets: Any) -> bool:
    # Half of a surrogate pair is no text that could be compared with anything.
    return isinstance(secrets, list) and all(isinstance(s, str) and s.isprintable() for s in secrets)

"""The app settings, read once. No secret is among them but the webhooks' own."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# The longest that a function may run (host.json functionTimeout) and a minute for a clock that is off:
# after that, whoever held a claim is dead.
_CLAIM_SECONDS = 360


class Role(StrEnum):
    """Which of the two apps this process is. On one machine both run in one."""

    PIPELINE = "pipeline"
    WEB = "web"
    ALL = "all"


class Settings(BaseSettings):
    """One field for each app setting, under the name that Bicep emits."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=True, populate_by_name=True, env_nested_delimiter="__"
    )

    role: Role = Field(Role.ALL, validation_alias="CLAWBACK_ROLE")
    client_id: str | None = Field(None, validation_alias="CLAWBACK_CLIENT_ID")
    """Client id of the app's user-assigned managed identity."""
    queue_service: str = Field(validation_alias="PipelineStorage__queueServiceUri")
    blob_service: str = Field(validation_alias="PipelineStorage__blobServiceUri")
    cosmos_endpoint: str = Field(validation_alias="CLAWBACK_COSMOS_ENDPOINT")
    cosmos_database: str = Field("clawback", validation_alias="CLAWBACK_COSMOS_DATABASE")
    graph_url: str = Field("https://graph.microsoft.com/v1.0", validation_alias="CLAWBACK_GRAPH_URL")
    policy_path: Path = Field(Path("policy.yaml"), validation_alias="CLAWBACK_POLICY_PATH")
    quarantine_folder: str = Field("Clawback Quarantine", validation_alias="CLAWBACK_QUARANTINE_FOLDER")
    claim_seconds: int = Field(_CLAIM_SECONDS, validation_alias="CLAWBACK_CLAIM_SECONDS")
    webhook_secrets: dict[str, list[SecretStr]] = Field(
        default_factory=dict, validation_alias="CLAWBACK_WEBHOOK_SECRETS"
    )
    """Secrets by source, each in a setting of its own (`…__<source>`, a JSON list): Key Vault references are whole
    settings. More than one is accepted at a time, so that rotation needs no moment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import Role, Settings

NEEDED = {
    "PipelineStorage__queueServiceUri": "https://queues.example",
    "PipelineStorage__blobServiceUri": "https://blobs.example",
    "CLAWBACK_COSMOS_ENDPOINT": "https://cosmos.example",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_settings_are_read_from_the_app_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWBACK_ROLE", "web")
    monkeypatch.setenv("CLAWBACK_CLIENT_ID", "id-1")
    monkeypatch.setenv("CLAWBACK_POLICY_PATH", "/etc/policy.yaml")
    monkeypatch.setenv("CLAWBACK_LEASE_SECONDS", "60")

    settings = Settings()

    assert (settings.queue_service, settings.blob_service) == ("https://queues.example", "https://blobs.example")
    assert (settings.cosmos_endpoint, settings.cosmos_database) == ("https://cosmos.example", "clawback")
    assert (settings.role, settings.client_id, settings.lease_seconds) == (Role.WEB, "id-1", 60)
    assert settings.policy_path == Path("/etc/policy.yaml")


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_told_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize(("name", "value"), [("CLAWBACK_ROLE", "boss"), ("CLAWBACK_LEASE_SECONDS", "long")])
def test_a_wrong_setting_is_told_by_its_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name):
        Settings()


def test_each_source_has_its_secrets_in_a_setting_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWBACK_WEBHOOK_SECRETS__proofpoint_tap", '["new-one", "old-one"]')
    monkeypatch.setenv("CLAWBACK_WEBHOOK_SECRETS__clawback", '["own"]')

    settings = Settings()

    shown = {source: [s.get_secret_value() for s in kept] for source, kept in settings.webhook_secrets.items()}
    assert shown == {"proofpoint_tap": ["new-one", "old-one"], "clawback": ["own"]}
    assert "old-one" not in repr(settings)


@pytest.mark.parametrize("text", ["@Microsoft.KeyVault(SecretUri=https://v/secrets/x)", "plain", "[1]", '{"a": "b"}'])
def test_a_secret_that_cannot_be_used_closes_its_own_source_alone(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWBACK_WEBHOOK_SECRETS__proofpoint_tap", text)
    monkeypatch.setenv("CLAWBACK_WEBHOOK_SECRETS__clawback", '["own"]')

    settings = Settings()

    assert settings.webhook_secrets["proofpoint_tap"] == []
    assert [secret.get_secret_value() for secret in settings.webhook_secrets["clawback"]] == ["own"]


def test_what_is_wrong_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWBACK_LEASE_SECONDS", "do-not-repeat")

    with pytest.raises(ValidationError, match="CLAWBACK_LEASE_SECONDS") as failed:
        Settings()

    assert "do-not-repeat" not in str(failed.value)

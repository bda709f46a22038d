import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from azure.identity import CredentialUnavailableError

from cli.access import Access, find
from cli.errors import USAGE, CommandError
from cli.local_cloud import STATE


def test_api_at_the_end_of_an_address_is_optional() -> None:
    assert find("https://clawback.example.com/", "k") == Access("https://clawback.example.com", "k")
    assert find("https://clawback.example.com/api/", " k\n") == Access("https://clawback.example.com", "k")


def test_without_an_address_it_is_the_local_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="local up") as failed:
        find(None, None)
    assert failed.value.status == USAGE
    STATE.parent.mkdir(parents=True)
    state = {"url": "http://127.0.0.1:1", "key": "k", "ca": "ca.pem", "webhookSecrets": {}, "settings": {}}
    STATE.write_text(json.dumps(state))
    assert find(None, None) == Access("http://127.0.0.1:1", "k", ca="ca.pem")
    STATE.write_text(json.dumps({**state, "url": "http://clawback.example.com"}))
    with pytest.raises(CommandError, match="https://"):
        find(None, None)


@pytest.mark.parametrize(
    "url",
    [
        "http://clawback.example.com",
        "http://203.0.113.7:80",
        "http://localhost.example.com",
        "http://localhost@clawback.example.com",
        "file:///etc/passwd",
        "ftp://127.0.0.1",
        "https://",
        "https://[::1",
        "https://clawback.example.com:99999",
        "clawback.example.com",
    ],
)
def test_the_key_never_leaves_this_machine_in_clear_text(url: str) -> None:
    with pytest.raises(CommandError, match="https://") as failed:
        find(url, "k")
    assert failed.value.status == USAGE


@pytest.mark.parametrize("url", ["http://localhost:7071", "http://127.0.0.1:7071", "http://[::1]:7071"])
def test_http_is_allowed_to_this_machine(url: str) -> None:
    access = find(url, "k")
    assert access.url == url
    assert access.on_this_machine


@pytest.mark.parametrize("key", ["schl\u00fcssel", "two\nlines", "\udcff"])
def test_a_key_that_no_header_can_have_is_wrong_usage(key: str) -> None:
    with pytest.raises(CommandError, match="the key is wrong") as failed:
        find("https://clawback.example.com", key)
    assert failed.value.status == USAGE
    assert key not in str(failed.value)


def test_with_sign_in_there_is_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    scopes: list[str] = []

    class Cli:
        def get_token(self, scope: str) -> SimpleNamespace:
            scopes.append(scope)
            return SimpleNamespace(token="the token")

    monkeypatch.setattr("azure.identity.AzureCliCredential", Cli)
    assert find("https://clawback.example.com", "k", "client-id").token == "the token"
    assert scopes == ["client-id/.default"]


def test_without_azure_cli_signing_in_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cli:
        def get_token(self, scope: str) -> SimpleNamespace:
            raise CredentialUnavailableError(f"Please run 'az login' for {scope}")

    monkeypatch.setattr("azure.identity.AzureCliCredential", Cli)
    with pytest.raises(CommandError, match="az login"):
        find("https://clawback.example.com", "k", "client-id")


def test_a_client_id_that_azure_cli_refuses_is_wrong_usage() -> None:
    with pytest.raises(CommandError, match="--sign-in") as failed:
        find("https://clawback.example.com", "k", "not a client id; rm")
    assert failed.value.status == USAGE

"""The webhook's trigger."""

import json

import azure.functions as func
import pytest

from functions.ingest_alert import blueprint
from functions.ingest_alert.authentication import signature
from tests.unit.functions.ingest_alert.intake import SECRET, Intake, alert


async def post(intake: Intake, body: bytes, proof: str) -> func.HttpResponse:
    request = func.HttpRequest(
        method="POST",
        url="https://web.example.com/api/alerts/clawback",
        headers={"Clawback-Timestamp": str(int(intake.now().timestamp())), "Clawback-Signature": proof},
        route_params={"source": "clawback"},
        body=body,
    )
    answer: func.HttpResponse = await blueprint.receive_alert.build().get_user_function()(request)
    return answer


async def test_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    intake, body = Intake(), json.dumps(alert()).encode()
    monkeypatch.setattr(blueprint, "services", lambda: intake)
    answer = await post(intake, body, signature(SECRET, str(int(intake.now().timestamp())), body))
    assert answer.status_code == 202
    assert len(json.loads(answer.get_body())["alertIds"]) == 1
    refused = await post(intake, body, "v1=00")
    assert (refused.status_code, refused.mimetype) == (401, "application/problem+json")

"""Runs the whole pipeline in this interpreter, with nothing on the path but the unpacked package.

Started as `python3.12 -I -S driver.py PACKAGE ALERT`; what it needs to know is in the environment, as app settings.
It prints one JSON line: where modules came from, and what became of the incident.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from pathlib import Path

package = Path(sys.argv[1])
sys.path[:0] = [str(package), str(package / ".python_packages" / "lib" / "site-packages")]

import azure.functions as func  # noqa: E402 - the path comes first

import function_app  # noqa: E402 - as above
from shared.adapters.storage_queue import StorageQueues  # noqa: E402 - as above
from shared.bootstrap import services  # noqa: E402 - as above
from shared.domain.incident import IncidentState  # noqa: E402 - as above

LIMIT_SECONDS = 60
_SECRETS = "CLAWBACK_WEBHOOK_SECRETS__clawback"


async def main(body: bytes) -> None:
    functions = {f.get_function_name(): f for f in function_app.app.get_functions()}
    await functions["receive_alert"].get_user_function()(_signed(body))
    triggers = {
        binding["queueName"]: function.get_user_function()
        for function in functions.values()
        for binding in function.get_bindings_dict()["bindings"]
        if binding["type"] == "queueTrigger" and not binding["queueName"].endswith("-poison")
    }
    queues = services().queue
    assert isinstance(queues, StorageQueues)
    deadline = time.monotonic() + LIMIT_SECONDS
    found, ours = None, json.loads(body)["messages"][0]["internetMessageId"]
    while time.monotonic() < deadline and (found is None or found.state is not IncidentState.CONTAINED):
        for queue, run in triggers.items():
            client = queues._service.get_queue_client(queue)
            async for message in client.receive_messages(visibility_timeout=LIMIT_SECONDS):
                await run(func.QueueMessage(id=message.id, body=base64.b64decode(message.content)))
                await client.delete_message(message)
        # Other tests keep cases in the same cloud, some of them in the future.
        cases = [incident async for incident in services().incidents.newest(1000)]
        found = next((one for one in cases if one.message and one.message.internet_message_id == ours), None)
    await services().close()
    outside = sorted(
        name
        for name, module in sys.modules.items()
        if (path := getattr(module, "__file__", None)) and "site-packages" in path and str(package) not in path
    )
    print(json.dumps({"python": sys.version_info[:2], "outside": outside, "states": found and found.counts.states}))  # noqa: T201 - its result


def _signed(body: bytes) -> func.HttpRequest:
    secret = json.loads(os.environ[_SECRETS])[0]
    timestamp = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Clawback-Timestamp": timestamp, "Clawback-Signature": f"v1={signature}"}
    return func.HttpRequest(
        "POST", "/api/alerts/clawback", headers=headers, route_params={"source": "clawback"}, body=body
    )


asyncio.run(main(Path(sys.argv[2]).read_bytes()))

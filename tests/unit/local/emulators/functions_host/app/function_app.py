"""A toy app: leaves on the queue TOLD_QUEUE what it was called with, so that a test can read it there."""

import asyncio
import base64
import json
import os
import threading
import time

import azure.functions as func
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


async def _tell(**what: object) -> None:
    async with (
        ManagedIdentityCredential(client_id=os.environ["CLAWBACK_CLIENT_ID"]) as credential,
        QueueClient(os.environ["TOLD_URL"], os.environ["TOLD_QUEUE"], credential=credential) as queue,
    ):
        await queue.send_message(json.dumps(what))


@app.function_name("work")
@app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%", connection="PipelineStorage")
async def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    await _tell(
        seen=text,
        count=getattr(message, "dequeue_count", None),
        id=message.id,
        inserted=str(getattr(message, "insertion_time", None)),
        pid=os.getpid(),
    )
    if text.startswith("fail"):
        raise RuntimeError("as asked")
    if text.startswith("sleep"):
        await asyncio.sleep(float(text.removeprefix("sleep")))
        await _tell(slept=text)
    if text.startswith("die"):
        os._exit(9)
    if text.startswith("block"):
        time.sleep(60)  # noqa: ASYNC251 - what a function must not do, to see what the host does


@app.function_name("work_poison")
@app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%-poison", connection="PipelineStorage")
async def work_poison(message: func.QueueMessage) -> None:
    await _tell(poison=message.get_body().decode(), count=getattr(message, "dequeue_count", None))
    if message.get_body() == b"fail even there":
        raise RuntimeError("as asked")


@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
async def tick(timer: func.TimerRequest) -> None:
    await _tell(tick=timer.past_due)


@app.function_name("echo")
@app.route(route="echo/{what}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    answer = {
        "what": req.route_params["what"],
        "query": dict(req.params),
        "header": req.headers.get("X-Some-Header"),
        "body": base64.b64encode(req.get_body()).decode(),
        "method": req.method,
        "url": req.url,
    }
    return func.HttpResponse(
        json.dumps(answer), status_code=207, mimetype="application/json", headers={"X-Answer": "yes"}
    )


@app.function_name("guarded")
@app.route(route="guarded")
def guarded(req: func.HttpRequest) -> str:
    # Not async: runs in a thread of the worker.
    return threading.current_thread().name


@app.function_name("owner")
@app.route(route="owner", auth_level=func.AuthLevel.ADMIN)
async def owner(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("owner")


@app.function_name("broken")
@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("secret detail")

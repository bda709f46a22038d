"""A toy app: tells the test at TELL_URL what it was called with, by a POST that the test answers."""

import base64
import json
import os
import threading

import azure.functions as func
from aiohttp import ClientSession

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


async def _tell(**what: object) -> None:
    async with ClientSession() as session, session.post(os.environ["TELL_URL"], json=what) as answer:
        answer.raise_for_status()


@app.function_name("work")
@app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%", connection="PipelineStorage")
async def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    # A test that wants it to wait does not answer.
    await _tell(
        seen=text,
        count=getattr(message, "dequeue_count", None),
        id=message.id,
        receipt=message.pop_receipt,
        inserted=str(getattr(message, "insertion_time", None)),
        pid=os.getpid(),
    )
    if text == "fail":
        raise RuntimeError("as asked")
    if text == "die":
        os._exit(9)
    if text == "block":
        threading.Event().wait()  # what a function must not do, to see what the host does


@app.function_name("work_poison")
@app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%-poison", connection="PipelineStorage")
async def work_poison(message: func.QueueMessage) -> None:
    await _tell(poison=message.get_body().decode(), count=getattr(message, "dequeue_count", None))


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

"""An HTTP server that answers as the test tells it to."""

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, body: Any, status: int = 200) -> "Answer":
        return cls(json.dumps(body).encode(), status)


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class StubApi:
    """`answers` by path, 404 for all other paths. `asked` holds the requests that came in."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                stub.asked.append(Asked(self.command, self.path, headers, self.rfile.read(length)))
                answer = stub.answers.get(self.path, Answer(status=404))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_POST = do_GET  # noqa: N815 - http.server calls it by this name

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is there
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def sent(self, path: str) -> Any:
        """The JSON of the one request to this path."""
        (body,) = [one.body for one in self.asked if one.path == path]
        return json.loads(body)

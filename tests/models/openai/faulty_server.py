"""A server that speaks OpenAI's API, remembers what it was asked, and misbehaves as told."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("a", "cat", "dog", "sits", "on", "the", "mat", "one", "two", "three", "in", "park")


def words_for(content: bytes) -> str:
    """Six words that depend on what was asked, and on nothing else."""
    number = int(hashlib.sha256(content).hexdigest(), 16)
    return " ".join(WORDS[(number >> 8 * k) % len(WORDS)] for k in range(6))


def tone(seconds: float = 0.3, rate: int = 16_000) -> bytes:
    """A WAV file."""
    import numpy as np
    import soundfile

    stream = io.BytesIO()
    wave = 0.2 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(stream, wave, rate, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def picture(kind: str = "PNG", size: tuple[int, int] = (32, 24), **save: Any) -> bytes:
    """An image file of random pixels."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **save)
    return stream.getvalue()


@dataclass
class Asked:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    number: int
    """Which try of the same content this is, from 1 up."""
    order: int
    """Which request of its method this is, from 1 up."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, tuple[str, bytes]]:
        """Multipart fields: name → (file name, content)."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        found = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            found[name] = (part.get_filename() or "", part.get_payload(decode=True))
        return found


@dataclass
class FaultyServer:
    """Use as a context manager. `script(asked)` names what to do; "" answers as one should."""

    script: Callable[[Asked], str] = lambda asked: ""
    models: list[str] = field(default_factory=lambda: ["test-model"])
    delay: float = 0.0
    transcripts: dict[str, str] = field(default_factory=dict)
    """sha256 of a sound file → what is said."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Put into the bodies of successes."""
    answer: Callable[[Asked], Any] | None = None
    """Gives the body of a success instead."""
    asked: list[Asked] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    def __enter__(self) -> FaultyServer:
        owner = self
        self._lock = threading.Lock()
        self._tries: Counter[bytes] = Counter()
        self.stopping = threading.Event()

        class Handler(_Handler):
            server_state = owner

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that hung up is no news here

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def note(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Asked:
        with self._lock:
            content = body
            if "boundary=" in headers.get("content-type", ""):  # another one in each try
                content = body.replace(headers["content-type"].split("boundary=")[1].encode(), b"")
            self._tries[content] += 1
            order = 1 + sum(earlier.method == method for earlier in self.asked)
            tries = self._tries[content]
            asked = Asked(method, path, headers, body, time.monotonic(), tries, order)
            self.asked.append(asked)
            return asked

    def enter(self, step: int) -> None:
        with self._lock:
            self.under_way += step
            self.most_under_way = max(self.most_under_way, self.under_way)


class _Handler(BaseHTTPRequestHandler):
    server_state: FaultyServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self._note(b"")
        behaviour = self.server_state.script(asked)
        if behaviour:
            self._misbehave(behaviour, asked)
        elif asked.path == "/v1/models":
            rows = [{"id": name, "object": "model"} for name in self.server_state.models]
            self._json(200, {"object": "list", "data": rows})
        elif asked.path == "/v1/files/image.png":
            self._bytes(200, picture(), "image/png")
        else:
            self._json(404, {"error": {"message": "no such page", "code": 404}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = self._note(body)
        self.server_state.enter(1)
        try:
            if self.server_state.delay:
                time.sleep(self.server_state.delay)
            behaviour = self.server_state.script(asked)
            if behaviour:
                self._misbehave(behaviour, asked)
            else:
                self._answer(asked)
        finally:
            self.server_state.enter(-1)

    def _note(self, body: bytes) -> Asked:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return self.server_state.note(self.command, self.path, headers, body)

    def _answer(self, asked: Asked) -> None:
        state = self.server_state
        if state.answer is not None:
            made = state.answer(asked)
            if isinstance(made, bytes):
                self._bytes(200, made, "application/octet-stream")
            else:
                self._json(200, made)
            return
        usage = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}
        match asked.path.removeprefix("/v1"):
            case "/chat/completions":
                content = json.dumps(asked.json["messages"], sort_keys=True).encode()
                message = {"role": "assistant", "content": words_for(content)}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                about = {"model": "test-model-2026", "system_fingerprint": "fp_1", "usage": usage}
                self._json(200, {"choices": [choice], **about, **state.extra})
            case "/audio/transcriptions":
                sound = hashlib.sha256(asked.form["file"][1]).hexdigest()
                self._json(200, {"text": state.transcripts.get(sound, "nothing known")})
            case "/audio/speech":
                self._bytes(200, tone(), "audio/wav")
            case "/images/generations":
                data = base64.b64encode(picture()).decode()
                self._json(200, {"data": [{"b64_json": data}], "usage": {"input_tokens": 5}})
            case _:
                self._json(404, {"error": {"message": "no such page", "code": 404}})

    def _misbehave(self, behaviour: str, asked: Asked) -> None:  # noqa: PLR0912
        error = {"error": {"message": f"told to answer {behaviour}", "type": "test"}}
        match behaviour.split(":"):
            case ["429", wait]:
                self._json(429, error, {"Retry-After": wait})
            case ["429-date"]:
                when = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
                self._json(429, error, {"Retry-After": when})
            case ["quota"]:
                self._json(429, {"error": {"message": "spent", "code": "insufficient_quota"}})
            case ["reset"]:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True  # the handler closes the socket, which resets it
            case ["half"]:
                self._head(200, {"Content-Type": "application/json", "Content-Length": "1000"})
                self.wfile.write(b'{"choices": [{"message": ')
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            case ["badjson"]:
                self._bytes(200, b'{"choices": [}', "application/json")
            case ["nan"]:
                self._bytes(200, b'{"choices": NaN}', "application/json")
            case ["wrongjson"]:
                self._json(200, {"cat": "dog"})
            case ["deep"]:
                self._bytes(200, b"[" * 200_000, "application/json")
            case ["html"]:
                self._bytes(200, b"<html><title>Hello</title></html>", "text/html")
            case ["html502"]:
                page = b"<!doctype html><html><head><title>Bad Gateway</title></head></html>"
                self._bytes(502, page, "text/html")
            case ["drip"]:
                self._head(200, {"Content-Type": "application/json", "Content-Length": "100000"})
                while not self.server_state.stopping.wait(0.05):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            case ["silent"]:
                self.server_state.stopping.wait(20)
                self.close_connection = True
            case ["huge"]:
                self._head(200, {"Content-Type": "application/json", "Content-Length": "99999999"})
                with_blanks = b" " * 1_000_000
                for _ in range(99):
                    self.wfile.write(with_blanks)
            case ["redirect", *target]:
                place = f"http://{':'.join(target)}/v1"
                self._head(307, {"Location": place, "Content-Length": "0"})
            case ["error200"]:
                self._json(200, {"error": {"message": "overloaded inside", "code": 503}})
            case ["echo-key", status]:
                said = f"bad header {asked.headers.get('authorization')} in your request"
                self._json(int(status), {"error": {"message": said, "code": said}})
            case [status] if status.isdecimal():
                self._json(int(status), error)
            case _:
                raise AssertionError(behaviour)

    def _json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        self._bytes(status, json.dumps(data).encode(), "application/json", headers)

    def _bytes(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self._head(
            status, {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}
        )
        self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

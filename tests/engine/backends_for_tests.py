"""Backends that misbehave on request, named on the command line as engine.backends_for_tests:…

The test folder is on the path, in this process and (by PYTHONPATH) in those that tests start.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mio_eval.media import load_audio, load_image
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.types import (
    Audio,
    Capability,
    Failure,
    Image,
    Media,
    Modality,
    Part,
    Request,
    Response,
    Text,
)

WORDS = ("a", "cat", "dog", "sits", "on", "the", "mat", "ONE", "TWO", "THREE", "in", "park")
ANY = frozenset[Modality]({"text", "image", "audio"})
NASTY = 'lone \ud800 surrogate, \x00\x07\x1b[31m controls, \u2028 separator, "quote" \\ and \r\n'
LONG = "word " * 200_000


def answer_of(request: Request) -> str:
    """A sentence that depends on what was asked, and on nothing else."""
    shown = "".join(p.sha256 if isinstance(p, Media) else p.text for p in request.parts)
    number = int(hashlib.sha256(shown.encode()).hexdigest(), 16)
    return " ".join(WORDS[(number >> 8 * k) % len(WORDS)] for k in range(6))


class Counting(Backend):
    """Answers with text, and appends the id of each request it starts to a file.

    Args:
        log: the file of started ids.
        delay: seconds an answer takes.
        version: part of the identity.
        padding: characters added to each answer.
    """

    name = "counting"
    capabilities = frozenset({Capability(ANY, "text")})

    def __init__(
        self, log: str, delay: str = "0", version: str = "1", padding: str = "0", **rest: str
    ) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._delay = float(delay)
        self._version = version
        self._padding = " word" * (int(padding) // 5)
        self.rest = rest

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, "counting", self._version)

    def started(self, request: Request) -> None:
        os.write(self._log, f"{request.sample_id}\n".encode())

    def answer(self, request: Request) -> Part:
        self.started(request)
        time.sleep(self._delay)
        return Text(answer_of(request) + self._padding)

    def close(self) -> None:
        os.close(self._log)


class Scripted(Counting):
    """Does to each sample what the file `script` says: {sample id: behaviour}."""

    name = "scripted"

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        script: dict[str, str] = json.loads(Path(self.rest["script"]).read_text())
        for request in requests:
            yield from self._one(request, script.get(request.sample_id, script.get("*", "")))

    def _one(self, request: Request, behaviour: str) -> Iterator[Response]:  # noqa: PLR0912
        self.started(request)
        name, good = request.sample_id, Text(answer_of(request))
        match behaviour:
            case "raise":
                yield Response(name, failure=Failure("generate", "ValueError", "bad \ud800 sample"))
            case "raise-batch":
                raise ArithmeticError("the whole batch")
            case "exit":
                raise SystemExit(3)
            case "hang":
                time.sleep(600)
            case "wrong":
                yield Response(name, Image(load=lambda: b"image"))
            case "string":
                yield Response(name, "no part at all")  # type: ignore[arg-type]
            case "number":
                yield Response(name, Text(5))  # type: ignore[arg-type]
            case "no-response":
                yield "no response at all"  # type: ignore[misc]
            case "nothing":
                pass
            case "empty":
                yield Response(name)
            case "twice":
                yield Response(name, good)
                yield Response(name, Text("another answer"))
            case "unknown":
                yield Response("not-a-sample", good)
            case "nasty":
                yield Response(name, Text(NASTY), seconds=float("nan"), usage={"tokens": 7})
            case "long":
                yield Response(name, Text(LONG))
            case _:
                yield Response(name, good, seconds=0.5)


class Decoding(Counting):
    """Decodes what it is shown."""

    name = "decoding"

    def answer(self, request: Request) -> Part:
        for part in request.parts:
            if isinstance(part, Image):
                load_image(part)
            elif isinstance(part, Audio):
                load_audio(part)
        return super().answer(request)


class Drawing(Counting):
    """Answers with an image or a sound, under a hostile name, other bytes in each process."""

    name = "drawing"
    capabilities = frozenset({Capability(ANY, "image"), Capability(ANY, "audio")})
    names = ("../../x.sh", "a;b.png", "/etc/passwd", "..", "c\x00d.WAV", "\ud800.jpg", "x" * 5000)

    def answer(self, request: Request) -> Part:
        self.started(request)
        text, noise = answer_of(request), self.rest.get("noise", "")

        def load() -> bytes:
            if request.sample_id == self.rest.get("broken"):
                raise ValueError("the encoder failed")
            return f"{text} {noise}".encode()

        kind = Image if request.want == "image" else Audio
        number = int(hashlib.sha256(text.encode()).hexdigest(), 16)
        return kind(load=load, name=self.names[number % len(self.names)])

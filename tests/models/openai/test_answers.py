"""What a server may answer with HTTP 200, and what counts as an answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from models.openai.faulty_server import FaultyServer, picture, tone

from mio_eval.types import Audio, Image, Modality, Request, Response, Text

Make = Callable[..., Any]


def chat(content: object, finish: str | None = "stop", **message: object) -> dict[str, Any]:
    answer = {"role": "assistant", "content": content, **message}
    return {"choices": [{"message": answer, "finish_reason": finish}]}


def ask(
    server: FaultyServer, backend: Make, body: object, want: Modality = "text", **given: object
) -> Response:
    server.answer = lambda asked: body
    made = backend(voice="v", retries=1, **given)
    (response,) = made.generate([Request("1", (Text("x"),), want)])
    return response


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (chat("a cat"), "a cat"),
        (chat(""), ""),
        (chat(None), ""),
        (chat("", None), ""),
        (chat("a c", "length"), "a c"),
        (chat("Two.", reasoning_content="1 + 1 …"), "Two."),
        (chat("", reasoning_content="Hmm."), ""),
        (chat([{"type": "text", "text": "a "}, {"type": "text", "text": "cat"}]), "a cat"),
        (chat("a\x00\ud800"), "a\x00\ud800"),
    ],
)
def test_what_counts_as_an_answer(
    server: FaultyServer, backend: Make, body: object, text: str
) -> None:
    response = ask(server, backend, body)
    assert response.failure is None
    assert response.output == Text(text)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (chat(None, refusal="I cannot help with that."), "Refusal"),
        (chat(None, "content_filter"), "ContentFilter"),
        (chat("", "content_filter"), "ContentFilter"),
        (chat("It shows a", "content_filter"), "ContentFilter"),
        (chat("", "length"), "NoAnswer"),
        (chat(None, "length", reasoning_content="Let me think"), "NoAnswer"),
        (chat(None, "tool_calls"), "ToolCall"),
        (chat("half", "abort"), "BrokenOff"),
        (chat(5), "BadResponse"),
        ({"choices": []}, "BadResponse"),
        ({"choices": [{"text": "no message"}]}, "BadResponse"),
        ([1, 2], "BadResponse"),
        ("text", "BadResponse"),
        ({"error": {"message": "no such thing", "code": 400}}, "ServerError"),
    ],
)
def test_what_does_not(server: FaultyServer, backend: Make, body: object, kind: str) -> None:
    response = ask(server, backend, body)
    assert response.output is None
    assert response.failure is not None
    assert response.failure.type == kind


def test_the_end_is_recorded(server: FaultyServer, backend: Make) -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3, "junk": "x"},
    }
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97]}, {"token": 5}]}
    body = chat("a", "length") | {"usage": usage, "model": "m-1", "system_fingerprint": "fp"}
    body["choices"][0]["logprobs"] = logprobs
    response = ask(server, backend, body, logprobs="on")
    assert response.details == {
        "model": "m-1",
        "fingerprint": "fp",
        "finish_reason": "length",
        "logprobs": [["a", -0.5]],
    }
    assert response.usage == {
        "input_tokens": 9,
        "output_tokens": 4,
        "cached_tokens": 8,
        "reasoning_tokens": 3,
        "cut_off": 1,
    }
    json.dumps(response.details, allow_nan=False)
    assert server.posts[0].json["logprobs"] is True


@pytest.mark.parametrize(
    "usage", [None, [], "many", {"prompt_tokens": -1}, {"prompt_tokens": True}, {"x": 10**40}]
)
def test_what_is_no_count_is_left_out(server: FaultyServer, backend: Make, usage: object) -> None:
    assert ask(server, backend, chat("a") | {"usage": usage}).usage == {}


def test_paid_tokens_of_a_failed_sample_are_counted(server: FaultyServer, backend: Make) -> None:
    body = chat("", "length") | {"usage": {"prompt_tokens": 3, "completion_tokens": 64}}
    usage = ask(server, backend, body).usage
    assert (usage["input_tokens"], usage["output_tokens"]) == (3, 64)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("kind", "name"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_a_generated_image_is_kept_as_it_came(
    server: FaultyServer, backend: Make, kind: str, name: str
) -> None:
    data = picture(kind)
    response = ask(server, backend, {"data": [{"b64_json": b64(data)}]}, "image")
    assert isinstance(response.output, Image)
    assert response.output.read() == data
    assert response.output.name == f"image.{name}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"data": [{"b64_json": b64(b"<svg onload=alert(1)>")}]}, "BadImage"),
        ({"data": [{"b64_json": b64(picture()[:300])}]}, "BadImage"),
        ({"data": [{"b64_json": "no base64!"}]}, "BadResponse"),
        ({"data": []}, "BadResponse"),
        ({"data": [{"url": "http://169.254.169.254/latest/image.png"}]}, "ForeignAddress"),
        ({"data": [{"url": "file:///etc/passwd"}]}, "ForeignAddress"),
        ({"data": [{"url": "http://[bad/image.png"}]}, "ForeignAddress"),
    ],
)
def test_what_is_no_image_fails(
    server: FaultyServer, backend: Make, body: object, kind: str
) -> None:
    response = ask(server, backend, body, "image")
    assert response.failure is not None
    assert response.failure.type == kind


def test_an_address_on_the_same_server_is_fetched_without_the_key(
    server: FaultyServer, backend: Make
) -> None:
    url = f"{server.url}/files/image.png"
    response = ask(server, backend, {"data": [{"url": url}]}, "image")
    assert isinstance(response.output, Image)
    assert response.output.read() == picture()
    fetched = next(a for a in server.asked if a.path.endswith("image.png"))
    assert "authorization" not in fetched.headers


def test_other_formats_become_png(server: FaultyServer, backend: Make) -> None:
    response = ask(server, backend, {"data": [{"b64_json": b64(picture("GIF"))}]}, "image")
    assert isinstance(response.output, Image)
    assert response.output.read().startswith(b"\x89PNG")


def test_generated_speech_is_checked(server: FaultyServer, backend: Make) -> None:
    sound = tone()
    response = ask(server, backend, sound, "audio")
    assert isinstance(response.output, Audio)
    assert response.output.read() == sound
    for body, kind in [
        (b"no sound at all", "BadAudio"),
        (sound[:2000], "BadAudio"),
        (b"", "BadResponse"),
        ({"error": {"message": "no such voice", "code": 400}}, "ServerError"),
    ]:
        response = ask(server, backend, body, "audio")
        assert response.failure is not None
        assert response.failure.type == kind


def test_speech_in_a_chat_is_checked(server: FaultyServer, backend: Make) -> None:
    sound = tone()
    body = chat(None, audio={"data": b64(sound), "transcript": "hello"})
    response = ask(server, backend, body, "audio", api="chat")
    assert isinstance(response.output, Audio)
    assert response.output.read() == sound
    body = chat(None, audio={"data": b64(sound[:500])})
    assert ask(server, backend, body, "audio", api="chat").failure.type == "BadAudio"

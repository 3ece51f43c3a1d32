"""From a server's body to an answer: text, image or sound, with its usage; or a Fault."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from ...types import Json, Part, Text
from .calls import Call
from .faults import Censor, Fault
from .media import checked_audio, checked_image, decoded

_NAME_LIMIT = 200  # characters kept of names that a server states
_MOST_LOGPROBS = 20_000
_MOST_COUNT = 10**12
# OpenAI's names and the newer ones, by what mio-eval calls them.
_USAGE = {
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
    "seconds": "audio_seconds",
}
_USAGE_DETAILS = {
    ("prompt_tokens_details", "cached_tokens"): "cached_tokens",
    ("input_tokens_details", "cached_tokens"): "cached_tokens",
    ("completion_tokens_details", "reasoning_tokens"): "reasoning_tokens",
    ("output_tokens_details", "reasoning_tokens"): "reasoning_tokens",
}
_BROKEN_OFF = {"abort", "error", "cancelled"}  # finish reasons that say: ask again


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. `image_url` stands for an image still to be fetched."""

    output: Part | None
    usage: dict[str, int] = field(default_factory=dict)
    details: dict[str, Json] = field(default_factory=dict)
    image_url: str = ""
    value: object = None
    """What another reader than `read_answer` found in the body."""


def parse_json(body: bytes) -> Json:
    """Parse strict JSON. Raises ValueError, also for NaN and endless nesting."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def read_answer(call: Call, body: bytes, censor: Censor) -> Answer:
    """Read the body of a success. Raises Fault when it holds no answer."""
    if call.api == "speech":
        if body[:1] == b"{":
            _refused(_object(body), censor)
        if not body:
            raise Fault("BadResponse", "the server sent no sound", retry=True)
        return Answer(checked_audio(body))
    data = _object(body)
    _refused(data, censor)
    usage = read_usage(data.get("usage"))
    try:
        if call.api == "images":
            return _image(data, usage)
        if call.api == "transcriptions":
            text = data.get("text")
            if not isinstance(text, str):
                raise Fault("BadResponse", "the server's JSON has no text", retry=True)
            return Answer(Text(censor.answer(text)), usage, _about(data, censor))
        return _choice(call, data, usage, censor)
    except Fault as fault:
        fault.usage = usage  # what was paid for is counted, whatever came of it
        raise


def _object(body: bytes) -> dict[str, Json]:
    try:
        data = parse_json(body)
    except ValueError as error:
        what = "HTML" if body[:200].lstrip()[:1] == b"<" else "no JSON"
        raise Fault("BadResponse", f"the server sent {what}: {error}", retry=True) from error
    if not isinstance(data, dict):
        raise Fault("BadResponse", "the server's JSON is no object", retry=True)
    return data


def _refused(data: dict[str, Json], censor: Censor) -> None:
    """Raise Fault for an error that came with HTTP 200, as some gateways send it."""
    error = data.get("error")
    if not error:
        return
    said = error.get("message") if isinstance(error, dict) else error
    code = error.get("code") if isinstance(error, dict) else None
    client = isinstance(code, int) and 400 <= code < 500 and code not in (408, 429)
    message = f"the server answered with an error: {censor.message(str(said))}"
    raise Fault("ServerError", message, retry=not client, overload=code in (429, 503))


def _choice(call: Call, data: dict[str, Json], usage: dict[str, int], censor: Censor) -> Answer:
    """Read the one choice of a chat or text completion."""
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Fault("BadResponse", "the server's JSON has no choices", retry=True)
    choice = choices[0]
    finish = _name(choice.get("finish_reason"), censor)
    if finish in _BROKEN_OFF:
        raise Fault("BrokenOff", f"the server broke off (finish_reason {finish})", retry=True)
    if finish == "content_filter":  # what it let through is not the model's answer
        raise Fault("ContentFilter", "the server's content filter cut the answer, or left none")
    details = _about(data, censor)
    if finish:
        details["finish_reason"] = finish
        usage.update({"cut_off": 1} if finish == "length" else {})
    if logprobs := _logprobs(choice.get("logprobs"), censor):
        details["logprobs"] = logprobs
    if call.api == "completions":
        message: Json = {"content": choice.get("text")}
    else:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise Fault("BadResponse", "the server's choice has no message", retry=True)
    if call.want == "audio":
        return Answer(_spoken(message, finish, censor), usage, details)
    return Answer(Text(_written(message, finish, censor)), usage, details)


def _written(message: dict[str, Json], finish: str, censor: Censor) -> str:
    """Take the answer's text. What the model thought before it (reasoning_content) is none."""
    text = _text_of(message.get("content"))
    if not text:
        _no_content(message, finish, censor)
    return censor.answer(text)


def _text_of(content: Json) -> str:
    if content is None:
        return ""
    if isinstance(content, list):  # content parts, as some servers answer
        found = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in found if isinstance(text, str))
    if not isinstance(content, str):
        raise Fault("BadResponse", "the server's content is no text", retry=True)
    return content


def _no_content(message: dict[str, Json], finish: str, censor: Censor) -> None:
    """Raise Fault unless the model really said nothing."""
    if refusal := message.get("refusal"):
        raise Fault("Refusal", f"the model refused: {censor.message(str(refusal))}")
    if finish == "length":
        raise Fault(
            "NoAnswer",
            "the token limit was reached before an answer began (a reasoning model?); "
            "a higher one: max_tokens=N",
        )
    if finish in ("tool_calls", "function_call"):
        raise Fault("ToolCall", "the model called a tool instead of answering")


def _spoken(message: dict[str, Json], finish: str, censor: Censor) -> Part:
    audio = message.get("audio")
    if not isinstance(audio, dict):
        _no_content(message, finish, censor)
        raise Fault("NoAudio", "the model answered without sound")
    return checked_audio(decoded(audio.get("data"), "audio"))


def _image(data: dict[str, Json], usage: dict[str, int]) -> Answer:
    images = data.get("data")
    first = images[0] if isinstance(images, list) and images else None
    if not isinstance(first, dict):
        raise Fault("BadResponse", "the server's JSON has no image", retry=True)
    address = first.get("url")
    if first.get("b64_json") is None and isinstance(address, str):
        if address.startswith("data:"):
            return Answer(checked_image(decoded(address.partition(",")[2], "image")), usage)
        return Answer(None, usage, image_url=address)
    return Answer(checked_image(decoded(first.get("b64_json"), "image")), usage)


def _about(data: dict[str, Json], censor: Censor) -> dict[str, Json]:
    """Note which model the server says answered."""
    names = {"model": data.get("model"), "fingerprint": data.get("system_fingerprint")}
    return {key: name for key, value in names.items() if (name := _name(value, censor))}


def _name(value: Json, censor: Censor) -> str:
    if isinstance(value, dict):  # SGLang's own API puts the reason into an object
        value = value.get("type")
    return censor.message(value)[:_NAME_LIMIT] if isinstance(value, str) else ""


def read_usage(data: Json) -> dict[str, int]:
    """Take token counts under one set of names. What is no count is left out."""
    found: dict[str, int] = {}
    if not isinstance(data, Mapping):
        return found
    for theirs, ours in _USAGE.items():
        _count(found, ours, data.get(theirs))
    for (group, theirs), ours in _USAGE_DETAILS.items():
        details = data.get(group)
        if isinstance(details, Mapping):
            _count(found, ours, details.get(theirs))
    return found


def _count(found: dict[str, int], name: str, value: Json) -> None:
    if isinstance(value, float) and math.isfinite(value):
        value = round(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNT:
        found[name] = value


def _logprobs(data: Json, censor: Censor) -> list[Json]:
    """Take [token, log-probability] pairs of an answer, in either of the API's two forms."""
    if not isinstance(data, dict):
        return []
    content = data.get("content")
    if isinstance(content, list):
        rows = [(t.get("token"), t.get("logprob")) for t in content if isinstance(t, dict)]
    else:
        tokens, values = data.get("tokens"), data.get("token_logprobs")
        if not isinstance(tokens, list) or not isinstance(values, list):
            return []
        rows = list(zip(tokens, values, strict=False))
    return [
        [censor.answer(token), float(value)]
        for token, value in rows[:_MOST_LOGPROBS]
        if isinstance(token, str) and isinstance(value, int | float) and math.isfinite(value)
    ]

"""From a request to an HTTP call: path and body, for each of the APIs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...errors import UsageError
from ...types import Audio, Json, Media, Modality, Request, Text
from .media import Upload, audio_upload, content_parts
from .options import Api, Options

_UPLOADS = ("flac", "mp3", "ogg", "wav")  # what /audio/transcriptions takes as it is
_NONE = "the API has no such parameter"
# Setting: the value that changes nothing, and why another one is not sent.
_NO_PARAMETER: dict[str, tuple[Json, str]] = {
    "num_beams": (1, "the API has no beam search"),
    "repetition_penalty": (1.0, "extensions=on sends it"),
    "length_penalty": (1.0, _NONE),
    "no_repeat_ngram_size": (0, _NONE),
    "min_new_tokens": (0, _NONE),
    "top_k": (0, _NONE),
    "min_p": (0.0, _NONE),
    "typical_p": (1.0, _NONE),
}
_SAMPLING = ("top_k", "min_p", "typical_p")


@dataclass(frozen=True, slots=True)
class Call:
    """A POST to the server. `form` and `upload` make it multipart, else `body` is JSON."""

    api: Api
    path: str
    want: Modality
    body: bytes = b""
    form: dict[str, str] = field(default_factory=dict)
    upload: Upload | None = None


def json_call(api: Api, path: str, want: Modality, body: Json) -> Call:
    """Encode a JSON call, once for all its tries; ASCII, so that lone surrogates do no harm."""
    return Call(api, path, want, json.dumps(body, allow_nan=False).encode())


def api_for(inputs: Sequence[str], output: Modality, options: Options) -> Api:
    """Choose the API for a task. Raises UsageError for an output that none gives."""
    if options.api is not None:
        return options.api
    if output == "image":
        return "images"
    if output == "audio":
        return "speech" if set(inputs) <= {"text"} else "chat"
    if output == "text":
        return "chat"
    raise UsageError(f"model openai: no API of OpenAI's gives {output}")


def make_call(request: Request, options: Options) -> Call:
    """Encode a request. Raises DecodeError or OSError for media that cannot be sent."""
    kinds = [part.modality for part in request.parts]
    api = api_for(kinds, request.want, options)
    text = "".join(part.text for part in request.parts if isinstance(part, Text))
    if api == "chat":
        return json_call(api, "/chat/completions", request.want, _chat(request, options))
    if api == "completions":
        body = {
            "model": options.model,
            "prompt": text,
            **_sampling(request, options, "completions"),
        }
        if options.logprobs:
            body["logprobs"] = 1
        return json_call(api, "/completions", "text", body)
    if api == "speech":
        body = {
            "model": options.model,
            "input": text,
            "voice": options.voice,
            "response_format": "wav",
        }
        return json_call(api, "/audio/speech", "audio", body)
    if api == "images":
        return json_call(api, "/images/generations", "image", _image(text, options))
    return _transcription(request, options)


def _chat(request: Request, options: Options) -> Json:
    content: list[Json] = []
    for part in request.parts:
        if isinstance(part, Media):
            content += content_parts(part, options, request.settings)
        else:
            content.append({"type": "text", "text": part.text})
    # Text alone goes as a plain string, which every server takes.
    only_text = len(content) == 1 and content[0]["type"] == "text"
    message = {"role": "user", "content": content[0]["text"] if only_text else content}
    body = {
        "model": options.model,
        "messages": [message],
        **_sampling(request, options, "chat"),
    }
    if options.logprobs:
        body["logprobs"] = True
    if request.want == "audio":
        body["modalities"] = ["text", "audio"]
        body["audio"] = {"voice": options.voice, "format": "wav"}
    return body


def _sampling(request: Request, options: Options, api: Api) -> dict[str, Json]:
    """Translate generation settings. The API has no beam search: num_beams is not sent."""
    settings = request.settings
    body: dict[str, Json] = {}
    if options.send_max_tokens:
        limit = options.max_tokens or settings.get("max_new_tokens")
        if limit is not None:
            new = api == "chat" and options.hosted_by_openai
            body["max_completion_tokens" if new else "max_tokens"] = int(limit)
    if options.send_temperature:
        body["temperature"] = _temperature(settings, options)
        if _sampled(settings) and settings.get("top_p") is not None:
            body["top_p"] = float(settings["top_p"])
    if (penalty := settings.get("repetition_penalty", 1.0)) != 1.0 and options.extensions:
        body["repetition_penalty"] = float(penalty)
    if stop := settings.get("stop"):
        body["stop"] = [stop] if isinstance(stop, str) else list(stop)
    if options.reasoning_effort and api == "chat":
        body["reasoning_effort"] = options.reasoning_effort
    if options.send_seed:
        body["seed"] = request.seed
    return body


def _sampled(settings: Json) -> bool:
    """Tell whether a task samples: as it says, else by its temperature; never at 0."""
    temperature = settings.get("temperature")
    if temperature == 0:
        return False
    asked = settings.get("do_sample")
    return temperature is not None if asked is None else bool(asked)


def _temperature(settings: Json, options: Options) -> float:
    if options.temperature is not None:
        return options.temperature
    given = settings.get("temperature")
    return (1.0 if given is None else float(given)) if _sampled(settings) else 0.0


def _image(text: str, options: Options) -> Json:
    body: dict[str, Json] = {"model": options.model, "prompt": text, "n": 1}
    if options.size:
        body["size"] = options.size
    # OpenAI's gpt-image models always answer in base64 and refuse the parameter.
    omitted = options.model.startswith(("gpt-image", "chatgpt-image"))
    if options.image_format == "b64_json" or not (omitted or options.image_format):
        body["response_format"] = "b64_json"
    return body


def _transcription(request: Request, options: Options) -> Call:
    sounds = [part for part in request.parts if isinstance(part, Audio)]
    if len(sounds) != 1:
        raise ValueError(f"a transcription takes one sound, the prompt has {len(sounds)}")
    # The instruction is left out: `prompt` would be text that comes before what is said.
    form = {"model": options.model, "response_format": "json"}
    if options.language:
        form["language"] = options.language
    if options.send_temperature:
        form["temperature"] = f"{_temperature(request.settings, options):g}"
    upload = audio_upload(sounds[0], _UPLOADS)
    return Call("transcriptions", "/audio/transcriptions", "text", form=form, upload=upload)


def not_sent(api: Api, settings: Json, options: Options) -> list[str]:
    """Name the settings of a task that the API has no parameter for."""
    if api in ("speech", "images"):  # these have no sampling at all
        return []
    sampled = _sampled(settings)
    dropped = []
    for name, (neutral, why) in _NO_PARAMETER.items():
        value = settings.get(name)
        if value in (None, neutral) or (name in _SAMPLING and not sampled):
            continue
        if name == "repetition_penalty" and options.extensions:
            continue
        dropped.append(f"{name}={value} ({why})")
    if sampled and not options.send_temperature and settings.get("top_p") not in (None, 1.0):
        dropped.append(f"top_p={settings['top_p']} (temperature=server)")
    if settings.get("frames") and options.video == "file":
        dropped.append(f"frames={settings['frames']} (video=file: the server picks them)")
    return dropped

"""The arguments of the `openai` backend, read and checked before anything is sent."""

from __future__ import annotations

import ipaddress
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args
from urllib.parse import SplitResult, urlsplit

from ...errors import UsageError, unknown
from ...media.frames import parse_policy
from ...types import Json

Api: TypeAlias = Literal["chat", "transcriptions", "speech", "images", "completions"]
APIS: tuple[Api, ...] = get_args(Api)
OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
_OPENAI_HOST = "api.openai.com"
_AS_SERVER = "server"  # temperature=server: send none, the server's default holds


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. The key is in `key` alone, which no text shows."""

    model: str
    base_url: str
    api: Api | None
    key: Secret
    voice: str
    size: str
    language: str
    detail: str
    media: str
    video: str
    frames: str
    temperature: float | None
    send_temperature: bool
    send_seed: bool
    max_tokens: int | None
    send_max_tokens: bool
    reasoning_effort: str
    extensions: bool
    logprobs: bool
    image_format: str
    max_concurrency: int
    timeout: float
    retries: int
    deadline: float
    price_in: float | None
    price_out: float | None
    check: bool

    @property
    def url(self) -> SplitResult:
        """The base address, split."""
        return urlsplit(self.base_url)

    @property
    def hosted_by_openai(self) -> bool:
        """True for OpenAI's own service, whose parameters differ in name."""
        return self.url.hostname == _OPENAI_HOST

    @property
    def local(self) -> bool:
        """True when the server is on this machine: no proxy stands before it."""
        host = self.url.hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def identity(self) -> Json:
        """Return what may change an answer, without what only says how it is fetched."""
        return {
            "server": f"{self.url.scheme}://{self.url.netloc}{self.url.path}",
            "api": self.api or "by output",
            "voice": self.voice,
            "size": self.size,
            "language": self.language,
            "detail": self.detail,
            "media": self.media,
            "video": self.video,
            "frames": self.frames,
            "temperature": self.temperature if self.send_temperature else _AS_SERVER,
            "max_tokens": self.max_tokens if self.send_max_tokens else _AS_SERVER,
            "seed": self.send_seed,
            "reasoning_effort": self.reasoning_effort,
            "extensions": self.extensions,
            "logprobs": self.logprobs,
        }


class Secret:
    """An API key that does not show in a repr, an error or a log."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key; "" when there is none."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"


def parse_options(given: Mapping[str, str]) -> Options:
    """Read the model's arguments. Raises UsageError, which never holds a key."""
    values: defaultdict[str, str] = defaultdict(str, given)
    if not values["model"]:
        raise UsageError(
            "model openai needs the name of the model: --model-args model=NAME,base_url=… "
            "(a server lists its names at /models)"
        )
    base_url = _base_url(values["base_url"] or OPENAI_URL)
    api = _choice("api", values["api"], ("", *APIS))
    retries = _count("retries", values["retries"] or "6", 0)
    send_temperature = values["temperature"] != _AS_SERVER
    send_max_tokens = values["max_tokens"] != _AS_SERVER
    return Options(
        model=values["model"],
        base_url=base_url,
        api=api or None,  # type: ignore[arg-type]
        key=_key(values["key_env"], base_url),
        voice=values["voice"],
        size=values["size"],
        language=values["language"],
        detail=_choice("detail", values["detail"], ("", "low", "high", "auto")),
        media=_choice("media", values["media"] or "data-url", ("data-url", "url")),
        video=_choice("video", values["video"] or "frames", ("frames", "file")),
        frames=parse_policy(values["frames"] or "uniform:8").signature,
        temperature=_optional_number("temperature", values["temperature"], send_temperature),
        send_temperature=send_temperature,
        send_seed=_switch("seed", values["seed"] or "on"),
        max_tokens=_count("max_tokens", values["max_tokens"], 1)
        if values["max_tokens"] and send_max_tokens
        else None,
        send_max_tokens=send_max_tokens,
        reasoning_effort=values["reasoning_effort"],
        extensions=_switch("extensions", values["extensions"] or "off"),
        logprobs=_switch("logprobs", values["logprobs"] or "off"),
        image_format=_choice("image_format", values["image_format"], ("", "b64_json", "omit")),
        max_concurrency=_count("max_concurrency", values["max_concurrency"] or "16", 1),
        timeout=_seconds("timeout", values["timeout"] or "180"),
        retries=retries,
        deadline=_seconds("deadline", values["deadline"] or "540"),
        price_in=_optional_number("price_in", values["price_in"]),
        price_out=_optional_number("price_out", values["price_out"]),
        check=_switch("check", values["check"] or "on"),
    )


def _base_url(text: str) -> str:
    """Check an address. What is refused is not repeated: it may hold a password or a key."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise UsageError("model openai: base_url is no valid address") from error
    if url.username is not None or url.password is not None or "@" in url.netloc:
        raise UsageError(
            f"model openai: base_url holds credentials (***@{url.hostname}), which would be kept "
            f"with the run; leave them out and put the key into {KEY_VARIABLE}"
        )
    if url.query or url.fragment or "?" in text or "#" in text:
        raise UsageError(
            "model openai: base_url has a query or a fragment (not shown, it may hold a key); "
            "expected an address such as http://localhost:8000/v1"
        )
    if url.scheme not in ("http", "https") or not url.hostname:
        raise UsageError(
            f"model openai: base_url {text!r}: expected http:// or https:// and a host, "
            "such as http://localhost:8000/v1"
        )
    return text.rstrip("/")


def _key(variable: str, base_url: str) -> Secret:
    """Take the key from the environment, which is the only place it may come from."""
    value = os.environ.get(variable or KEY_VARIABLE, "").strip()
    if not value and variable:
        raise UsageError(
            f"model openai: key_env={variable}, but that environment variable is empty; "
            "set it to the API key (the key itself is never an argument)"
        )
    if not value and urlsplit(base_url).hostname == _OPENAI_HOST:
        raise UsageError(
            f"model openai: {_OPENAI_HOST} needs a key; set {KEY_VARIABLE}, or name the variable "
            "that holds it with key_env=NAME; for a server of your own give base_url=…"
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise UsageError(
            f"model openai: what {variable or KEY_VARIABLE} holds is no API key "
            "(blanks or special characters); set it again"
        )
    return Secret(value)


def _choice(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise unknown(f"{name} of model openai:", text, filter(None, known))
    return text


def _switch(name: str, text: str) -> bool:
    return _choice(name, text, ("on", "off")) == "on"


def _count(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= 1_000_000:
        raise UsageError(f"model openai: {name}={text!r}, expected a whole number from {least} up")
    return int(text)


def _seconds(name: str, text: str) -> float:
    value = _number(name, text)
    if not 0 < value <= 86_400:
        raise UsageError(f"model openai: {name}={text!r}, expected seconds above 0, at most 86400")
    return value


def _optional_number(name: str, text: str, wanted: bool = True) -> float | None:
    if not text or not wanted:
        return None
    value = _number(name, text)
    if value < 0:
        raise UsageError(f"model openai: {name}={text!r}, expected 0 or more")
    return value


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"model openai: {name}={text!r}, expected a number")
    return value

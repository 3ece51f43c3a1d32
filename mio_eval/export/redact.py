"""Takes secrets out of what is published: options and command lines may hold keys and tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..types import Json

HIDDEN = "[hidden]"
# A name that says its value is secret. `key_env` and `max_new_tokens` do not.
_SECRET = re.compile(
    r"(password|passwd|secrets?|credentials?|authorization|bearer|api[-_]?keys?"
    r"|(^|[-_.])(key|token|auth))$",
    re.IGNORECASE,
)
# Keys that are known by their look: OpenAI and alike, Hugging Face, GitHub, AWS, Google, Slack.
_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{8,}|\bhf_[A-Za-z0-9]{8,}|\bgh[pousr]_[A-Za-z0-9]{8,}"
    r"|\bgithub_pat_\w{8,}|\bAKIA[A-Z0-9]{12,}|\bAIza[A-Za-z0-9_-]{20,}|\bxox[a-z]-[A-Za-z0-9-]{8,}"
)
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_QUERY = re.compile(r"(?<=[?&])([\w-]+)=([^&#\s,]*)")
_PAIR = re.compile(r"(?P<name>[\w.-]+)(?P<sign>[=:])(?P<value>[^,\s]+)")


def redacted(value: Json, name: str = "") -> Json:
    """Return a copy of a JSON value without what its names or its look say is secret."""
    if isinstance(value, dict):
        return {key: redacted(item, str(key)) for key, item in value.items()}
    if name and value not in (None, "") and _SECRET.search(name):
        return HIDDEN
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return redacted_text(value) if isinstance(value, str) else value


def redacted_text(text: str) -> str:
    """Hide users in addresses, secret `name=value` pairs and keys known by their look."""
    text = _USER.sub(HIDDEN, text)
    text = _QUERY.sub(_hide_query, text)
    text = _PAIR.sub(_hide_pair, text)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def redacted_command(words: Sequence[str]) -> list[str]:
    """Hide secrets in a command line, `--token VALUE` in two words too."""
    found: list[str] = []
    secret = False
    for word in words:
        found.append(HIDDEN if secret else redacted_text(word))
        secret = word.startswith("-") and "=" not in word and bool(_SECRET.search(word))
    return found


def _hide_pair(match: re.Match[str]) -> str:
    if not _SECRET.search(match["name"]):
        return match[0]
    return f"{match['name']}{match['sign']}{HIDDEN}"


def _hide_query(match: re.Match[str]) -> str:
    return f"{match[1]}={HIDDEN}" if _SECRET.search(match[1]) else match[0]

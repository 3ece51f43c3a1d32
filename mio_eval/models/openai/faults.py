"""What can go wrong with one request, what to do about it, and texts fit to be kept.

Whatever a server says is hostile: it is put on one line, cut, and freed of the API key.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote

from ...types import Json
from .options import Secret

MESSAGE_LIMIT = 300  # characters kept of what a server says
_LONG_KEY = 16  # from here up a key cannot be an ordinary word of an answer
_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_*-]{6,}")
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_OVERLOADED = {408, 429, 503, 504, 524, 529}
_CONFIGURATION = {401, 402, 403, 404, 405, 501}
_HIDDEN = "[key]"


class Fault(Exception):  # noqa: N818  # not an error of this program
    """A try that gave no answer.

    Args:
        kind: the failure's type, as the run's files show it.
        message: fit to be kept.
        retry: another try may succeed.
        overload: the server has too much to do: fewer requests should be under way.
        everyone: it concerns every request, not this one (a wrong key, model or address).
        wait: seconds the server asks to wait.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retry: bool = False,
        overload: bool = False,
        everyone: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry = retry
        self.overload = overload
        self.everyone = everyone
        self.wait = wait
        self.usage: dict[str, int] = {}


class Censor:
    """Takes the API key out of texts that will be kept or shown."""

    def __init__(self, key: Secret) -> None:
        value = key.reveal()
        forms = {value, quote(value, safe=""), base64.b64encode(value.encode()).decode()}
        self._forms = sorted(filter(None, forms), key=len, reverse=True) if value else []
        self._long = len(value) >= _LONG_KEY

    def message(self, text: str) -> str:
        """Put what a server says on one bounded line, without keys."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        text = _KEY_LIKE.sub(_HIDDEN, text)
        line = " ".join("".join(c if c.isprintable() else " " for c in text[:20_000]).split())
        return line if len(line) <= MESSAGE_LIMIT else f"{line[:MESSAGE_LIMIT]}…"

    def answer(self, text: str) -> str:
        """Take the key out of a model's answer, where it can only be an echo of the request."""
        if self._long:
            for form in self._forms:
                text = text.replace(form, _HIDDEN)
        return text


def status_fault(
    status: int, body: bytes, wait: float | None, parse: Callable[[bytes], Json], censor: Censor
) -> Fault:
    """Describe an HTTP status that is no success."""
    said, code = _said(body, parse)
    message = f"HTTP {status}" + (f": {censor.message(said)}" if said else "")
    if code == "insufficient_quota":  # sent as 429, yet waiting mends nothing
        return Fault("HTTP429", message, everyone=True)
    if 300 <= status < 400:
        return Fault(f"HTTP{status}", f"{message} (a redirect, not followed)", everyone=True)
    return Fault(
        f"HTTP{status}",
        message,
        retry=status in _RETRIED,
        overload=status in _OVERLOADED,
        everyone=status in _CONFIGURATION,
        wait=wait,
    )


def _said(body: bytes, parse: Callable[[bytes], Json]) -> tuple[str, str]:
    """Find what an error's body says: (message, code)."""
    try:
        data = parse(body)
    except ValueError:
        return _plain(body), ""
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or error.get("msg") or ""
        return str(message) or str(error)[:1000], str(error.get("code") or error.get("type") or "")
    return str(error)[:1000], ""


def _plain(body: bytes) -> str:
    """Take the title of an HTML page, else the text as it is."""
    text = body[:20_000].decode("utf-8", "replace")
    if title := re.search(r"<title[^>]*>([^<]{1,200})", text, re.IGNORECASE):
        return f"an HTML page titled {title[1].strip()!r}"
    return text if "<" not in text[:200] else "an HTML page"

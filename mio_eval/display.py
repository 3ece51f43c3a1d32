"""Makes text that came from outside safe to show: no control characters, no surprise lines."""

from __future__ import annotations

_REPLACEMENT = "�"


def printable(text: str) -> str:
    """Replace what a terminal may obey or cannot encode (escape codes …); line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else _REPLACEMENT for c in text)


def one_line(text: str) -> str:
    """Put text on one line, white space collapsed, nothing in it but printable characters."""
    return printable(" ".join(text.split()))

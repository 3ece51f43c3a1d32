"""Puts a page together: template, style, scripts, data; and the policy that forbids the rest.

Data are JSON in script elements that no browser runs; the page's scripts put them into the
document as text nodes. The content security policy names every script and style by hash, and
forbids every connection, so a page can neither run what a model wrote nor send anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ...jsonio import dumps
from ...types import Json

if TYPE_CHECKING:
    from jinja2 import Environment

CHART = "vendor/chart.umd.min.js"
REPORT_SCRIPTS = (
    *("dom.js", "theme.js", "data.js", "charts.js", "filter.js", "list.js"),
    *("media.js", "detail.js", "tables.js", "views.js", "main.js"),
)
BOARD_SCRIPTS = ("dom.js", "theme.js", "board.js")
# `<` ends a script element or opens a comment, U+2028 and U+2029 end lines in old scripts.
_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def asset(name: str) -> str:
    """Return one of the package's files as text."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def script_of(names: Iterable[str]) -> str:
    """Join scripts into one that leaves no global names behind."""
    body = "\n".join(asset(name) for name in names)
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'


def data_json(value: Json) -> str:
    """Return JSON that may stand inside a script element, whatever is in it."""
    return dumps(value).translate(_ESCAPES)


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Return the content security policy of a page with these inline scripts and styles."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "img-src 'self' data:",
            "media-src 'self' data:",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def render(template: str, title: str, scripts: list[str], **values: Any) -> Iterator[bytes]:
    """Render a template piece by piece: `scripts` and the style are inlined and hashed."""
    style = asset("style.css")
    stream = (
        _environment()
        .get_template(template)
        .stream(
            title=title,
            style=style,
            scripts=scripts,
            policy=policy(scripts, [style]),
            **values,
        )
    )
    stream.enable_buffering(64)
    for piece in stream:
        yield piece.encode()


def embedded(media: Mapping[str, tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield key and base64 text of embedded media."""
    for key, (_, data) in media.items():
        yield key, base64.b64encode(data).decode()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""Named text normalisers for word and character error rates.

`whisper-en` and `whisper-basic` are OpenAI Whisper's normalisers (openai/whisper,
`whisper/normalizers`), run from the copy that transformers ships, with Whisper's own table of
British and American spellings. `none` leaves the text alone.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from mio_eval.errors import UsageError, unknown
from mio_eval.metrics.normalizers_quick import quick_english

Normalizer: TypeAlias = Callable[[str], str]

_SPELLING = "data/whisper_english_spelling.json"
_WHISPER_MODULE = "transformers.models.whisper.english_normalizer"


@functools.cache
def normalizer(name: str) -> Normalizer:
    """Return the normaliser called `name`; one object per name, safe to share.

    Args:
        name: one of `NAMES`: `whisper-en`, `whisper-basic` or `none`.

    The Whisper normalisers may leave a space at either end, as the originals do; error rates
    strip it. `whisper-en` raises ValueError for a text that holds a number of more than
    4,300 digits (Python's limit): such a text has no normal form, and its sample has failed.

    Raises:
        UsageError: the name is unknown, or transformers is not installed.
    """
    if name not in _MAKERS:
        raise unknown("normaliser", name, _MAKERS)
    return _MAKERS[name]()


def _identity(text: str) -> str:
    return text


def _english() -> Normalizer:
    table = resources.files(__package__).joinpath(_SPELLING).read_text(encoding="utf-8")
    module = _whisper_module()
    whole = module.EnglishTextNormalizer(json.loads(table))
    return _linear_time(quick_english(whole, module))


def _basic() -> Normalizer:
    return _linear_time(_whisper_module().BasicTextNormalizer())


def _seed_tts(language: str) -> Normalizer:
    from .tts import seed_tts_normalise

    return functools.partial(seed_tts_normalise, language=language)


_MAKERS: dict[str, Callable[[], Normalizer]] = {
    "whisper-en": _english,
    "whisper-basic": _basic,
    "none": lambda: _identity,
    "seed-tts-en": lambda: _seed_tts("en"),
    "seed-tts-zh": lambda: _seed_tts("zh"),
}
NAMES: tuple[str, ...] = tuple(_MAKERS)


def _whisper_module() -> Any:
    """Execute transformers' normaliser file, without importing the transformers package.

    The file needs only `re`, `unicodedata` and `regex`. The package around it takes over a second
    to import, pulls in an HTTP client, and prints a warning where torch is missing.
    """
    try:
        package = importlib.util.find_spec("transformers")
        if package is None or package.origin is None:
            raise ImportError("transformers is not installed")
        file = Path(package.origin).parent / "models" / "whisper" / "english_normalizer.py"
        spec = importlib.util.spec_from_file_location(_WHISPER_MODULE, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {file.name}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (ImportError, OSError) as error:
        raise UsageError(
            f"the Whisper normalisers need transformers 5 ({error}); install mio-eval[speech]"
        ) from error
    return module


def _linear_time(normalize: Normalizer) -> Normalizer:
    """Keep a Whisper normaliser's results, without its quadratic time on degenerate text.

    Its patterns for `<…>`, `[…]`, `(…)` and for spaces before an apostrophe rescan the rest of the
    text from every unclosed bracket and every space: minutes for 100 kB of `(`. An unclosed
    bracket, like `{`, only ever becomes a space. A run of white space becomes one space, but
    only at the end: its patterns tell one space (`'s got`) from several, not two from more.
    """

    def wrapped(text: str) -> str:
        text = _without_unclosed(text, opening="<[", closing=">]")
        text = _without_unclosed(text, opening="(", closing=")")
        return normalize(re.sub(r"(\s\s)\s+", r"\1", text))

    return wrapped


def _without_unclosed(text: str, *, opening: str, closing: str) -> str:
    """Replace opening brackets after the last closing one by `{`."""
    end = max(text.rfind(mark) for mark in closing) + 1
    return text[:end] + text[end:].translate(dict.fromkeys(map(ord, opening), "{"))

"""Model backends, found by name. A backend's module is imported only when it is used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown

if TYPE_CHECKING:
    from .base import Backend

ENTRY_POINTS = "mio_eval.models"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A backend in the list of models: where it is, what it can do, which arguments it takes."""

    name: str
    target: str
    summary: str
    can: tuple[str, ...] = ()
    arguments: Mapping[str, str] | None = None


MODELS = {
    entry.name: entry
    for entry in (
        ModelEntry(
            "starter",
            "mio_eval.models.starter.backend:Starter",
            "small pretrained models that come inside packages; the default",
            (
                "audio → text: Whisper tiny.en (English)",
                "image, video → text: EfficientNet-Lite0's label as a caption, or as an answer",
                "image + audio, text → text: lettered options, by shared words",
                "text → audio: hibari-tts, voice heart (English)",
                "text → image: a DCGAN's face, which ignores the words",
            ),
            {"threads": "CPU threads for one sample (default 1: more gain little on small models)"},
        ),
        ModelEntry(
            "predictions",
            "mio_eval.models.predictions:Predictions",
            "outputs made elsewhere, from a JSONL file",
            ("any → any: whatever the file holds",),
            {
                "path": 'the predictions file, one {"id": …, "text": …} a line',
                "name": "what to call the model that made them (default: the file's name)",
                "style": "the prompt style the predictions were made with (recorded only)",
            },
        ),
    )
}


def model_names() -> list[str]:
    """Return the names of all backends, plug-ins included."""
    return sorted({*MODELS, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def _import(target: str) -> Any:
    """Import `module:Class`, a user's own backend, as python would from the current folder."""
    module, _, attribute = target.partition(":")
    if "" not in sys.path and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"model {target!r}: {error}; give module:Class of a Backend that can be imported"
        ) from error


def create_model(name: str, arguments: Mapping[str, str]) -> Backend:
    """Build the backend called `name`, or the class that `module:Class` names.

    Raises UsageError for an unknown name or argument.
    """
    if name in MODELS:
        entry = MODELS[name]
        for argument in arguments:
            if argument not in (entry.arguments or {}):
                raise unknown(f"argument of model {name}", argument, entry.arguments or {})
        module, _, attribute = entry.target.partition(":")
        factory = getattr(import_module(module), attribute)
    elif ":" in name:
        factory = _import(name)
    else:
        found = list(entry_points(group=ENTRY_POINTS, name=name))
        if not found:
            raise unknown("model", name, model_names())
        factory = found[0].load()
    try:
        backend: Backend = factory(**arguments)
    except TypeError as error:
        raise UsageError(f"model {name}: {error}; see mio-eval models show {name}") from error
    return backend

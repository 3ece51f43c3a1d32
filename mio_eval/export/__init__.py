"""Writes a run in the formats that other tools read.

Every format carries value, interval, counts, failures and signature where it has a place for
them, and in its metadata otherwise. A failed sample is never a score in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from ..errors import RunError, UsageError, unknown
from ..trackers import TRACKERS, track
from .source import RunSource, file_name, open_source

Exporter = Callable[[RunSource, Path, Mapping[str, str]], list[Path]]

FORMATS: Mapping[str, str] = {
    "lm-eval": "lm_eval:export_lm_eval",
    "inspect": "inspect_log:export_eval",
    "inspect-json": "inspect_log:export_json",
    "hf": "hub:export_hub",
    "every-eval-ever": "every_eval_ever:export_every_eval_ever",
    "junit": "junit:export_junit",
    "csv": "tables:export_csv",
    "parquet": "tables:export_parquet",
}
"""Format → what writes it."""
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "hf": ("source_url", "source_name", "task_id", "dataset_id"),
    "every-eval-ever": ("organization", "relationship", "model_id", "availability"),
}
"""The settings a format takes; `NAME.TASK` sets one for one task."""
_PUBLISHING = ("hf", "every-eval-ever")


def targets() -> list[str]:
    """Return the names that `--to` takes: formats and trackers."""
    return [*FORMATS, *TRACKERS]


def export_run(
    run: str | Path,
    to: str,
    out: str | Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write a run in a format, or log it to a tracker. Returns the files written.

    Args:
        to: a name of `FORMATS` or `TRACKERS`.
        out: the folder to write to; `exports/<run>/<format>` by default.
        settings: of the format (`SETTINGS`) or of the tracker.

    Raises:
        UsageError: no such run, format or setting.
        RunError: the run is not finished; or it failed, and the format is for publishing.
    """
    given = dict(settings or {})
    if to in TRACKERS:
        return track(open_source(run), to, given)
    if to not in FORMATS:
        raise unknown("format", to, targets())
    known = SETTINGS.get(to, ())
    for name in given:
        if name.partition(".")[0] not in known:
            raise unknown(f"setting of {to}", name, known)
    source = open_source(run)
    if to in _PUBLISHING and not source.complete:
        raise RunError(
            f"{run}: status is {source.data['status']} ({source.data.get('reason')}); {to} "
            "publishes complete runs only: continue it with mio-eval run --resume, "
            "allowing failures with --max-failures where they are the model's"
        )
    folder = Path(out) if out is not None else Path("exports") / file_name(source.name) / to
    module, _, function = FORMATS[to].partition(":")
    write: Exporter = getattr(import_module(f".{module}", __package__), function)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write(source, folder, given)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror or error}") from error

"""`mio-eval run`: generate, annotate, score, report."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RunError, UsageError
from .options import AllowPartial, MetricSettings, comma_list, key_values

if TYPE_CHECKING:
    from ..engine.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    ctx: typer.Context,
    tasks: Annotated[
        str, typer.Option(help="Tasks, separated by commas: coco_caption,librispeech:test-other")
    ] = "",
    model: Annotated[str, typer.Option(help="Model backend; see mio-eval models ls")] = "starter",
    model_args: Annotated[
        str, typer.Option(help="Arguments of the model: key=value,key=value")
    ] = "",
    data: Annotated[
        str | None,
        typer.Option(help="Where data come from: local, hub or sample (the bundled sample)"),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of data sets (default $MIO_EVAL_DATA or ./data)")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Run the first N samples of each task")] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(help="Requests handed to the model at once: a number, or auto (finds it)"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed given to the model")] = 0,
    prompt_style: Annotated[
        str | None, typer.Option(help="mio-instruct, mio-base, plain … (default: the model's own)")
    ] = None,
    separator: Annotated[
        str, typer.Option(help="What stands between instruction and media; \\n is a line break")
    ] = "\\n",
    media_position: Annotated[
        str, typer.Option(help="Media in the prompt: as-written, first or last")
    ] = "as-written",
    settings: MetricSettings = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="Judge model: asr=starter, clip=open_clip/ViT-L-14/openai, clip=none"),
    ] = None,
    judge_device: Annotated[
        str, typer.Option(help="Where judges run: cpu, cuda … (default: the judge's choice)")
    ] = "",
    out: Annotated[str, typer.Option(help="Folder of runs")] = "results/runs",
    resume: Annotated[
        Path | None, typer.Option(help="Continue this run directory as it was started")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for a model's next response")
    ] = 600.0,
    max_failures: Annotated[
        str, typer.Option(help="Failed samples allowed per task: a count or a share such as 2%")
    ] = "0",
    allow_partial: AllowPartial = False,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Use and fill the cache of responses")
    ] = True,
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="Seed all, and allow no operation that varies"),
    ] = False,
    prefetch_threads: Annotated[
        int | None, typer.Option(help="Threads that read and decode (default: two a core)")
    ] = None,
    prefetch_memory: Annotated[
        str, typer.Option(help="Decoded media held ahead of the model at most")
    ] = "1GiB",
    overlap: Annotated[
        bool,
        typer.Option("--overlap/--no-overlap", help="Score a task while the next is generated"),
    ] = True,
    engine: Annotated[str, typer.Option(help="What runs the model: local, ray")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster: auto, ray://host:10001 (default: start one here)"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Ray: copies of the model (default: one a GPU, or a node)")
    ] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="Ray: GPUs each copy takes (default: 1 if there are any)")
    ] = None,
    log_json: Annotated[
        str | None, typer.Option(help="Add the run's events to a file, one JSON a line; - prints")
    ] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="Log the scores at the end: wandb, mlflow or trackio[:key=value,…]"),
    ] = None,
) -> int:
    """Run tasks with a model, score, print tables.

    The same command continues an unfinished run; nothing finished is generated twice.
    """
    from ..engine import Options, evaluate
    from ..engine import resume as resume_run
    from ..engine.options import parse_bytes
    from ..engine.run import RunResult
    from ..report import write_report
    from ..report.terminal import print_run

    signal.signal(signal.SIGTERM, _interrupt)
    trackers = _trackers(tracker or ())
    progress, close = _progress(log_json)
    result: RunResult
    if resume is not None:
        result = resume_run(resume, _overrides(ctx), progress)
    else:
        if not tasks:
            raise UsageError("run needs --tasks, for example --tasks coco_caption,librispeech")
        options = Options(
            tasks=comma_list(tasks),
            model=model,
            model_args=key_values(model_args, "--model-args"),
            data=_data_mode(data),
            data_dir=data_dir,
            limit=limit,
            seed=seed,
            prompt_style=prompt_style,
            separator=separator.replace("\\n", "\n"),
            media_position=media_position,
            metric_settings=tuple(settings or ()),
            judges=tuple(judge or ()),
            judge_device=judge_device,
            allow_partial=allow_partial,
            out=out,
            batch_size=_batch_size(batch_size),
            timeout=timeout,
            max_failures=max_failures,
            cache=cache,
            deterministic=deterministic,
            prefetch_threads=prefetch_threads,
            prefetch_bytes=parse_bytes(prefetch_memory),
            overlap=overlap,
            engine=engine,
            address=address,
            workers=workers,
            gpus_per_worker=gpus_per_worker,
        )
        result = evaluate(options, progress, ["mio-eval", *sys.argv[1:]])
    try:
        write_report(result.path, result.data)
    except OSError as error:
        raise RunError(
            f"cannot write the report into {result.path}: {error.strerror}. The scores are in "
            f"run.json; print them with: mio-eval report {result.path}"
        ) from error
    close()
    print_run(result.path, result.data)
    for name, settings_of in trackers:
        from ..export import export_run

        export_run(result.path, name, settings=settings_of)
    return 4 if result.failed else 0


# Parameters that name no option of the run, or one of another name.
_RENAMED = {"prefetch_memory": "prefetch_bytes"}


def _overrides(ctx: typer.Context) -> dict[str, Any]:
    """Return the options given beside --resume; refuse those that would change the numbers."""
    from ..engine.options import OPERATIONAL, parse_bytes

    given = {
        name
        for name in ctx.params
        if (source := ctx.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    } - {"resume", "log_json", "tracker"}
    named = {name: _RENAMED.get(name, name) for name in given}
    if other := sorted(n for n, option in named.items() if option not in OPERATIONAL or n == "out"):
        names = ", ".join("--set" if n == "settings" else f"--{n.replace('_', '-')}" for n in other)
        raise UsageError(
            f"--resume continues a run as it was started, {names} cannot be changed; "
            "leave them out, or start a new run: finished responses are found in the cache"
        )
    values = {option: ctx.params[name] for name, option in named.items()}
    if "batch_size" in values:
        values["batch_size"] = _batch_size(values["batch_size"])
    if "prefetch_bytes" in values:
        values["prefetch_bytes"] = parse_bytes(values["prefetch_bytes"])
    return values


def _batch_size(text: str | None) -> Any:
    """Read a number, or leave `auto` and what is wrong to the check of the options."""
    return int(text) if text is not None and text.isdecimal() else text


def _trackers(specs: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Read which trackers to log to; one that cannot work is refused before the run."""
    if not specs:
        return []
    from ..trackers import check_tracker

    return [check_tracker(spec) for spec in specs]


def _progress(log_json: str | None) -> tuple[Progress, Callable[[], None]]:
    """Return what shows the run, and what closes it."""
    from ..engine.progress import Several
    from .progress import make_progress

    shown = make_progress()
    if log_json is None:
        return shown, lambda: None
    from ..engine.events import JsonLog

    log = JsonLog(log_json)
    return Several([shown, log]), log.close


def _data_mode(text: str | None) -> Any:
    from ..errors import unknown

    if text not in (None, "local", "hub", "sample"):
        raise unknown("--data", text or "", ("local", "hub", "sample"))
    return text


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

"""`mio-eval run`: generate, annotate, score, report."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from ..errors import RunError, UsageError
from .options import comma_list, key_values


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
    batch_size: Annotated[int, typer.Option(help="Requests handed to the model at once")] = 16,
    seed: Annotated[int, typer.Option(help="Seed given to the model")] = 0,
    prompt_style: Annotated[
        str | None, typer.Option(help="mio-instruct, mio-base, plain … (default: the model's own)")
    ] = None,
    separator: Annotated[
        str, typer.Option(help="What stands between instruction and media; \\n is a line break")
    ] = "\\n",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Metric setting: [metric.]key=value")
    ] = None,
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
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Count missing predictions as failed samples")
    ] = False,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Use and fill the cache of responses")
    ] = True,
) -> int:
    """Run tasks with a model, score, print tables.

    The same command continues an unfinished run; nothing finished is generated twice.
    """
    from ..engine import Options, evaluate
    from ..engine import resume as resume_run
    from ..engine.run import RunResult
    from ..report import write_report
    from ..report.terminal import print_run
    from .progress import make_progress

    signal.signal(signal.SIGTERM, _interrupt)
    progress = make_progress()
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
            metric_settings=tuple(settings or ()),
            judges=tuple(judge or ()),
            judge_device=judge_device,
            allow_partial=allow_partial,
            out=out,
            batch_size=batch_size,
            timeout=timeout,
            max_failures=max_failures,
            cache=cache,
        )
        result = evaluate(options, progress, ["mio-eval", *sys.argv[1:]])
    try:
        write_report(result.path, result.data)
    except OSError as error:
        raise RunError(
            f"cannot write the report into {result.path}: {error.strerror}. The scores are in "
            f"run.json; print them with: mio-eval report {result.path}"
        ) from error
    print_run(result.path, result.data)
    return 4 if result.failed else 0


# How a run goes, as against what it measures: these may change when it is continued.
_OPERATIONAL = {
    "batch_size": "batch_size",
    "timeout": "timeout",
    "max_failures": "max_failures",
    "cache": "cache",
    "judge_device": "judge_device",
}


def _overrides(ctx: typer.Context) -> dict[str, Any]:
    """Return the options given beside --resume; refuse those that would change the numbers."""
    given = {
        name
        for name in ctx.params
        if (source := ctx.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }
    if other := sorted(given - {"resume", *_OPERATIONAL}):
        names = ", ".join("--set" if n == "settings" else f"--{n.replace('_', '-')}" for n in other)
        raise UsageError(
            f"--resume continues a run as it was started, {names} cannot be changed; "
            "leave them out, or start a new run: finished responses are found in the cache"
        )
    return {_OPERATIONAL[name]: ctx.params[name] for name in given if name in _OPERATIONAL}


def _data_mode(text: str | None) -> Any:
    from ..errors import unknown

    if text not in (None, "local", "hub", "sample"):
        raise unknown("--data", text or "", ("local", "hub", "sample"))
    return text


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

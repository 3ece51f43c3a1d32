"""`mio-eval tasks ls | show`."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="List tasks, or show one.", no_args_is_help=True)
    group.command("ls")(ls)
    group.command("show")(show)
    app.add_typer(group, name="tasks")


def ls() -> None:
    """List every task: modalities, primary metric, splits."""
    from ..tasks import all_tasks, task_groups
    from .text import print_rows

    rows = [
        (
            task.file.name,
            f"{'+'.join(task.file.inputs)} → {task.file.output}",
            task.file.primary,
            ", ".join(task.file.dataset.splits),
            task.file.title,
        )
        for task in all_tasks()
    ]
    print_rows(("task", "modalities", "metric", "splits", "title"), rows)
    typer.echo("")
    groups = [(name, ", ".join(members)) for name, members in task_groups().items()]
    print_rows(("group", "members"), groups)


def show(name: Annotated[str, typer.Argument(help="Task, or task:split")]) -> None:
    """Show a task: data, prompts, metrics, protocol.

    The protocol's notes say what its source leaves open.
    """
    from ..tasks import get_task

    task = get_task(name)
    file, data = task.file, task.file.dataset
    lines = [
        f"{task.name}  (version {file.version}, {task.path})",
        file.title,
        "",
        f"modalities   {'+'.join(file.inputs)} → {file.output}",
        f"split        {task.split}, {task.spec.expected or 'any number of'} samples"
        f" (of: {', '.join(f'{s} {d.expected or chr(8211)}' for s, d in data.splits.items())})",
        f"resampled by {file.cluster}",
        f"metrics      {', '.join(file.metrics)}  (primary: {file.primary})",
    ]
    for metric, options in file.metric_options.items():
        lines.append(f"             {metric}: {', '.join(f'{k}={v}' for k, v in options.items())}")
    lines += [f"generation   {', '.join(f'{k}={v}' for k, v in file.generation.items())}", ""]
    lines += ["prompts"]
    lines += [f"  {style:<14}{template!r}" for style, template in file.prompts.items()]
    if file.likelihood:
        lines += ["options scored by likelihood, each as " + repr(file.likelihood.continuation)]
        likelihood = file.likelihood.prompts
        lines += [f"  {style:<14}{template!r}" for style, template in likelihood.items()]
    lines += ["", "data"]
    lines += [f"  {line}" for line in data.layout.rstrip().splitlines()]
    lines += [
        f"  get:      {data.get}",
        f"  homepage: {data.homepage}",
        f"  licence:  {data.licence}",
    ]
    if data.hub:
        lines.append(f"  hub:      {data.hub.id} at {data.hub.revision}")
    lines += ["", f"protocol     {file.protocol.source}"]
    lines += [f"  - {note}" for note in file.protocol.notes]
    typer.echo("\n".join(lines))

"""`mio-eval models ls | show`."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="List model backends, or show one.", no_args_is_help=True)
    group.command("ls")(ls)
    group.command("show")(show)
    app.add_typer(group, name="models")


def ls() -> None:
    """List every model backend, plug-ins included."""
    from ..models import MODELS, model_names
    from .text import print_rows

    rows = [(name, MODELS[name].summary if name in MODELS else "plug-in") for name in model_names()]
    print_rows(("model", "what"), rows)


def show(name: Annotated[str, typer.Argument(help="Model backend")]) -> None:
    """Show what a model can do, and its arguments."""
    from ..errors import unknown
    from ..models import MODELS, model_names

    if name not in model_names():
        raise unknown("model", name, model_names())
    if name not in MODELS:
        typer.echo(f"{name}  (plug-in; its own documentation says what it takes)")
        return
    entry = MODELS[name]
    typer.echo(f"{entry.name}: {entry.summary}")
    for line in entry.can:
        typer.echo(f"  {line}")
    for argument, meaning in (entry.arguments or {}).items():
        typer.echo(f"  --model-args {argument}=…  {meaning}")
    if name == "hf":
        from ..models.hf.families import FAMILIES, family_class

        for kind in FAMILIES:
            for argument, meaning in family_class(kind).arguments.items():
                if argument not in (entry.arguments or {}):
                    typer.echo(f"  kind {kind}: --model-args {argument}=…  {meaning}")
    if name in ("mio", "anygpt"):
        _show_memory(name)
    if name == "starter":
        from ..annotators.ge2e import ASSET as VOICES
        from ..models.starter.assets import ASSETS

        parts = [("weights", asset) for asset in ASSETS.values()]
        for role, asset in [*parts, ("judge speaker=starter", VOICES)]:
            typer.echo(
                f"  {role}: {asset.what}, from {asset.package} {asset.version}, "
                f"{asset.size_mb:g} MB, {asset.licence}"
            )


def _show_memory(name: str) -> None:
    """Print what the parts of a released system take, where no weight is needed to know it."""
    from importlib import import_module

    memory = import_module(f"..models.{name}.memory", __package__)
    typer.echo("  memory for weights as released, in GB: float16, float32")
    for part, half, whole in memory.table():
        typer.echo(f"    {part}: {half:.1f}, {whole:.1f}")

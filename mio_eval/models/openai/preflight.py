"""Looks at the server before the first request: is it there, and has it the model?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ...errors import UsageError
from .faults import Fault
from .options import Options

if TYPE_CHECKING:
    from .client import Client
    from .loop import LoopThread

_SECONDS = 30.0
_SHOWN = 5  # names shown of a long list


def check_server(
    loop: LoopThread,
    connect: Callable[[], Awaitable[Client]],
    options: Options,
    say: Callable[[str], None],
) -> None:
    """Raise UsageError when the server cannot be reached, or lists models without this one.

    A server that lists no models is taken at its word; that is said.
    """
    import httpx

    async def ask() -> list[str]:
        client = await connect()
        return [row["id"] for row in await client.models()]

    where = options.base_url
    try:
        names = loop.run(ask(), _SECONDS)
    except (httpx.HTTPError, TimeoutError) as error:
        said = str(error) or type(error).__name__
        raise UsageError(
            f"no server answers at {where} ({said}); start it, or give its address, up to /v1, "
            "as base_url=…"
        ) from error
    except Fault as fault:
        if fault.kind in ("HTTP401", "HTTP403"):
            raise UsageError(
                f"the server at {where} refuses the key ({fault.message}); set OPENAI_API_KEY, "
                "or name the variable that holds it: key_env=NAME"
            ) from fault
        if fault.kind.startswith("HTTP3"):
            raise UsageError(
                f"{where} is a redirect ({fault.message}); give the address it leads to as base_url"
            ) from fault
        say(f"{where} does not list its models ({fault.message}): the name is not checked")
        return
    if options.model not in names:
        raise UsageError(_missing(options.model, names, where))


def _missing(model: str, names: list[str], where: str) -> str:
    import difflib

    if not names:
        return f"the server at {where} has no model loaded, {model!r} was asked for"
    near = difflib.get_close_matches(model, names, n=_SHOWN, cutoff=0.4) or names[:_SHOWN]
    shown = ", ".join(name[:200] for name in near)
    more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
    return (
        f"the server at {where} has no model {model!r}; it has {shown}{more}; "
        "give one of them as model=…"
    )

"""Every mio-eval backend as a model of lm-eval: `lm_eval run --model mio-eval --model_args …`.

Versions of lm-eval that read the entry points `lm_eval.models` (those after 0.4.13) find it by
themselves; 0.4.13 is started with it through `python -m mio_eval.models.lm_eval_plugin`, which
takes the same command line.
"""

from __future__ import annotations

import sys
from typing import Any

from ..errors import MioEvalError, UsageError
from . import MODELS, create_model, model_names
from .lm_eval_model import BackendLM

NAME = "mio-eval"
_AT_ONCE = 64  # log-likelihood requests handed over at once; backends batch them by length


class MioEvalLM(BackendLM):
    """A backend named by `backend=…`; all other arguments are the backend's own.

    Args:
        backend: a name that `mio-eval models ls` shows.
        batch_size: lm-eval's --batch_size: texts generated at once.
        max_batch_size: of lm-eval; has no effect.
        device: lm-eval's --device, for backends that take one.
        seed: for generation.
        arguments: as in `mio-eval run --model-args`.

    Raises UsageError for an unknown backend or argument.
    """

    def __init__(
        self,
        backend: str = "",
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        seed: int = 0,
        **arguments: Any,
    ) -> None:
        if not backend:
            raise UsageError(
                f"--model {NAME} needs --model_args backend=…: one of {', '.join(model_names())}"
            )
        given = {name: _text(value) for name, value in arguments.items()}
        takes = MODELS[backend].arguments if backend in MODELS else None
        if device and takes and "device" in takes:
            given.setdefault("device", device)
        if batch_size and str(batch_size).isdecimal() and takes and "batch_size" in takes:
            given.setdefault("batch_size", str(batch_size))
        model = create_model(backend, given)
        model.load(("text",), "text")
        super().__init__(model, seed=seed, batch_size=_AT_ONCE)


def _text(value: object) -> str:
    """Write a value that lm-eval has parsed as it was on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def register() -> None:
    """Add the model to lm-eval's registry, once."""
    import lm_eval.models  # noqa: F401  # fills the registry
    from lm_eval.api.registry import model_registry

    if NAME not in model_registry:
        model_registry.register(NAME, target="mio_eval.models.lm_eval_plugin:MioEvalLM")


def main() -> None:
    """Run lm-eval's own command line, with the model registered."""
    from lm_eval.__main__ import cli_evaluate

    register()
    try:
        cli_evaluate()
    except MioEvalError as error:
        sys.stderr.write(f"mio-eval: error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

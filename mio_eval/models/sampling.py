"""Sampling in batches whose every row has a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class RowDraw:
    """A logits processor after which the greedy choice is a sample, row by row.

    A row's number in [0, 1) picks the first token whose cumulative probability is above it: one
    draw a token, from the row's own generator, on the CPU whatever the device. So an answer does
    not depend on its batch.

    Use it as the last processor, with `do_sample=False` and one beam.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        import torch

        self._rows = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores of shape (batch, vocabulary): 0 for the token drawn, else -inf.

        Raises ValueError when the scores of a row are not numbers.
        """
        import torch

        # Apple's GPUs have no float64.
        wide = torch.float32 if scores.device.type == "mps" else torch.float64
        drawn = [torch.rand(1, generator=row, dtype=torch.float64) for row in self._rows]
        below = scores.to(wide).softmax(-1).cumsum(-1)
        total = below[:, -1:]
        if not bool(total.isfinite().all()):
            raise ValueError("the model's scores of the next token are not numbers")
        # Rounding must not reach the total, above which there is no token.
        limit = torch.nextafter(total, torch.zeros_like(total))
        level = torch.minimum(torch.stack(drawn).to(total.device, wide) * total, limit)
        token = torch.searchsorted(below, level, right=True)
        return torch.full_like(scores, -torch.inf).scatter_(-1, token, 0.0)


def sampling_processors(arguments: dict[str, Any], seeds: Sequence[int]) -> list[Any]:
    """Take the sampling arguments out of `arguments` and return what does their work row by row.

    `arguments` are those of transformers' GenerationConfig, with `do_sample` true and one beam;
    afterwards they are those of greedy decoding. The order is that of transformers' own sampling
    (`GenerationMixin._get_logits_processor`), whose other processors (penalties, forbidden tokens)
    come before those given to `generate`.
    """
    import transformers

    found: list[Any] = []
    if (temperature := arguments.pop("temperature", 1.0)) != 1.0:
        found.append(transformers.TemperatureLogitsWarper(float(temperature)))
    if top_k := arguments.pop("top_k", 0):
        found.append(transformers.TopKLogitsWarper(int(top_k)))
    if (top_p := arguments.pop("top_p", 1.0)) < 1.0:
        found.append(transformers.TopPLogitsWarper(float(top_p)))
    if (min_p := arguments.pop("min_p", None)) is not None:
        found.append(transformers.MinPLogitsWarper(float(min_p)))
    if (typical_p := arguments.pop("typical_p", 1.0)) < 1.0:
        found.append(transformers.TypicalLogitsWarper(float(typical_p)))
    arguments["do_sample"] = False
    return [*found, RowDraw(seeds)]

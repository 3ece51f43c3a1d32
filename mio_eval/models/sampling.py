"""Sampling in batches whose every row has a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class RowNoise:
    """A logits processor after which the greedy choice is a sample, row by row.

    The largest of log-probabilities plus Gumbel noise is distributed like a sample of them (Gumbel,
    1954; Maddison et al., "A* Sampling", 2014). Each row draws its noise from its own seed, on the
    CPU, so an answer does not depend on its batch, nor on the device.

    Use it as the last processor, with `do_sample=False` and one beam.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        import torch

        self._rows = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores of shape (batch, vocabulary) with noise added."""
        import torch

        size = scores.shape[-1]
        noise = torch.stack([torch.rand(size, generator=row) for row in self._rows])
        gumbel = -torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7)))
        result: Tensor = scores.float() + gumbel.to(scores.device)
        return result


def sampling_processors(arguments: dict[str, Any], seeds: Sequence[int]) -> list[Any]:
    """Take the sampling arguments out of `arguments` and return what does their work row by row.

    `arguments` are those of transformers' GenerationConfig, with `do_sample` true and one beam.
    """
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    found: list[Any] = []
    if (temperature := arguments.pop("temperature", 1.0)) != 1.0:
        found.append(TemperatureLogitsWarper(float(temperature)))
    if top_k := arguments.pop("top_k", 0):
        found.append(TopKLogitsWarper(int(top_k)))
    if (top_p := arguments.pop("top_p", 1.0)) < 1.0:
        found.append(TopPLogitsWarper(float(top_p)))
    arguments["do_sample"] = False
    found.append(RowNoise(seeds))
    return found

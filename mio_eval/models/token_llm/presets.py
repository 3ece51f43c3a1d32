"""Decoding presets: a paper's or a release's settings in place of a task's."""

from __future__ import annotations

from collections.abc import Mapping

from ...types import Json

CHOICES = ("task", "paper", "release")
_DECIDED = ("num_beams", "do_sample", "top_p", "top_k", "temperature", "repetition_penalty")


def decide(
    given: Mapping[str, Json], preset: Mapping[str, Json] | None, longest: int
) -> dict[str, Json]:
    """Return generation settings: the task's, with a preset's in their place when there is one.

    Args:
        given: the task's settings.
        preset: None leaves them; else nothing of what presets decide is left of them.
        longest: `max_new_tokens` where neither names one.
    """
    chosen = dict(given)
    if preset is not None:
        chosen = {k: v for k, v in chosen.items() if k not in _DECIDED}
        chosen.update(preset)
    chosen.setdefault("max_new_tokens", longest)
    return chosen

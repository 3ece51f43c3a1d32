"""Writes a first policy from a run: margins that its number of samples can tell."""

from __future__ import annotations

import json
import math
from pathlib import Path

from ..comparison.pairing import interval_error
from ..load import load_run
from ..stats.distributions import normal_quantile
from ..types import Json

_HEAD = """\
# Gate policy: what a run has to keep to, against its baseline.
#   mio-eval gate RUN --baseline BASELINE --policy THIS_FILE
#
# tier      critical: must be shown to hold; supporting: must not be shown to be broken;
#           advisory: reported only
# margin    how much worse is accepted, in the metric's unit, or a share such as "2%" of the
#           baseline's value; held against the worse end of the interval of the difference
# floor, ceiling   the value itself must not lie below, above
# max_failures     failed or missing samples accepted: a count, or a share such as "1%"
#
# A margin below what the number of samples can tell makes the gate INCONCLUSIVE; see
# mio-eval power.
version: 1
confidence: 0.95
resamples: 10000
# allow_different: [prompt_style]
rules:
"""


def first_policy(path: Path) -> str:
    """Return a policy for a run, as YAML with comments. Raises UsageError when it is no run.

    A task's primary metric is critical, with the half width of its interval as the margin: about
    what another run of equal quality stays within. The other metrics are advisory.
    """
    data = load_run(path).data
    blocks = []
    for task, scores in data["results"].items():
        for metric, score in scores.items():
            if score["value"] is not None:
                blocks.append(_rule(task, metric, score))
    return _HEAD + "".join(blocks)


def _rule(task: str, metric: str, score: Json) -> str:
    error = interval_error(score)
    margin = _round_up(normal_quantile(0.975) * error) if error else None
    better = "higher" if score["higher_is_better"] else "lower"
    unit = f" {score['unit']}" if score["unit"] else ""
    lines = [
        f"  # {score['value']:.4g}{unit}, {better} is better, {score['n_scored']} samples",
        f"  - task: {json.dumps(task)}",
        f"    metric: {json.dumps(metric)}",
        f"    tier: {'critical' if score['primary'] else 'advisory'}",
        f"    margin: {margin:g}" if margin else '    margin: "5%"  # the run has no interval',
        f"    max_failures: {score['n_failed']}",
    ]
    bound = "floor" if score["higher_is_better"] else "ceiling"
    lines.append(f"    # {bound}: {score['value']:.4g}")
    return "\n".join(lines) + "\n"


def _round_up(value: float) -> float:
    """Round up to two significant digits."""
    scale = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / scale) * scale:.6g}")

"""Runs the benchmarks and prints one table; see README.md. `--json` prints the numbers instead."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine_rows import busy, engine, million, ray_workers, vlm
from measure import machine, script, time_command
from rows import Row, alternate, installed, median, missing, peak

RESAMPLES = 10_000
JIWER_RESAMPLES = 20
LM_EVAL_RESAMPLES = 1_000
SCRIPTS = Path(sysconfig.get_path("scripts"))


def captions(rounds: int) -> Iterator[Row]:
    """CIDEr with tokenisation."""
    mine, java = alternate(
        lambda: script("cider_ours.py", "val2014"), lambda: script("cider_java.py"), rounds
    )
    images = mine[0].result["n"]
    rival = "pycocoevalcap (Java)"
    yield Row(
        f"CIDEr with tokenisation, {images:,} images",
        "s",
        median(mine, "seconds"),
        "10 times as fast",
        rival,
        median(java, "seconds"),
        median(mine, "cpu"),
        median(java, "cpu"),
        note=f"value {mine[0].result['value']:.4f}, rival's {java[0].result['value']:.4f}",
    )
    yield Row("the same, peak memory", "MB", peak(mine), "less", rival, peak(java))
    small = [script("cider_ours.py", "fakecap") for _ in range(3)]
    yield Row(
        f"CIDEr with tokenisation, {small[0].result['n']:,} images",
        "s",
        median(small, "seconds"),
        "below 1",
        ours_cpu=median(small, "cpu"),
    )


def error_rates(rounds: int) -> Iterator[Row]:
    """WER and its interval."""
    mine, jiwer = alternate(
        lambda: script("error_rates.py", "ours"),
        lambda: script("error_rates.py", "jiwer", str(JIWER_RESAMPLES)),
        rounds,
    )
    scale = RESAMPLES / JIWER_RESAMPLES
    yield Row(
        f"WER of 2,620 utterances, interval of {RESAMPLES:,} resamples",
        "s",
        median(mine, "seconds"),
        "below 1",
        "jiwer on each resample",
        scale * median(jiwer, "seconds"),
        median(mine, "cpu"),
        scale * median(jiwer, "cpu"),
        note=f"rival extrapolated from {JIWER_RESAMPLES} resamples, its texts normalised before",
    )
    if not installed("lm_eval"):
        return
    rival = [script("error_rates.py", "lm_eval", str(LM_EVAL_RESAMPLES)) for _ in range(rounds + 1)]
    resampling = [one.result["seconds"] - one.result["aligned"] for one in mine]
    yield Row(
        "the interval alone",
        "s",
        statistics.median(resampling),
        "less",
        "lm-eval's bootstrap, 1 process",
        RESAMPLES / LM_EVAL_RESAMPLES * median(rival, "seconds"),
        note=f"rival extrapolated from {LM_EVAL_RESAMPLES:,} resamples of ready counts",
    )


def paired(rounds: int) -> Iterator[Row]:
    """Paired tests of two systems under ten metrics."""
    for label, arguments in (("", ()), (" and approximate randomisation", ("both",))):
        runs = [script("paired.py", *arguments) for _ in range(rounds)]
        yield Row(
            f"paired bootstrap{label}, {RESAMPLES:,} resamples of 100,000 samples, 10 metrics",
            "s",
            median(runs, "seconds"),
            "below 20" if label else "below 10",
            ours_cpu=median(runs, "cpu"),
            note=f"peak memory {peak(runs):.0f} MB",
        )


def start_up(rounds: int) -> Iterator[Row]:
    """How long a command takes that does nothing much."""
    commands = (
        ("--help", "below 0.3", ("mio-eval", "--help"), ("lm-eval", "--help"), 5),
        ("tasks ls", "below 0.5", ("mio-eval", "tasks", "ls"), ("lm-eval", "ls", "tasks"), rounds),
    )
    for label, target, ours, theirs, repeats in commands:
        mine, rivals = [], []
        for _ in range(repeats):
            for _ in range(max(1, 5 // repeats)):
                mine.append(time_command(str(SCRIPTS / ours[0]), *ours[1:]))
            if installed("lm_eval"):
                rivals.append(time_command(str(SCRIPTS / theirs[0]), *theirs[1:]))
        what, (seconds, cpu) = f"mio-eval {label}", _medians(mine)
        if not rivals:
            yield missing("lm-eval", what, "s", seconds, target)
            continue
        rival_seconds, rival_cpu = _medians(rivals)
        rival = " ".join(theirs)
        yield Row(what, "s", seconds, target, rival, rival_seconds, cpu, rival_cpu)


def _medians(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    walls, cpus = zip(*times, strict=True)
    return statistics.median(walls), statistics.median(cpus)


GROUPS: dict[str, Callable[[int], Iterator[Row]]] = {
    "captions": captions,
    "error_rates": error_rates,
    "paired": paired,
    "engine": engine,
    "busy": busy,
    "ray": ray_workers,
    "million": million,
    "vlm": vlm,
    "start_up": start_up,
}


def table(rows: Sequence[Row]) -> str:
    """Format the rows in Markdown."""
    lines = [
        "| what | mio-eval | rival | rival's | ratio | aim | note |",
        "|---|---:|---|---:|---:|---|---|",
    ]
    for row in rows:
        cells = (
            row.what,
            _number(row.ours, row.unit, row.ours_cpu),
            row.rival or "–",
            "–" if row.theirs is None else _number(row.theirs, row.unit, row.theirs_cpu),
            _ratio(row.ratio, row.ratio_cpu),
            row.target,
            row.note,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float, unit: str, cpu: float | None) -> str:
    text = f"{_digits(value)} {unit}"
    return text if cpu is None else f"{text} ({_digits(cpu)})"


def _ratio(wall_ratio: float | None, cpu_ratio: float | None) -> str:
    if wall_ratio is None:
        return "–"
    text = f"{_digits(wall_ratio)}×"
    return text if cpu_ratio is None else f"{text} ({_digits(cpu_ratio)}×)"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def describe(facts: dict[str, Any]) -> str:
    """Say what the numbers were measured on."""
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return (
        f"{facts['processor']}, {facts['cores']} cores; Python {facts['python']}; "
        f"{facts['java']}; {packages}. Load average at the start and the end: "
        f"{facts['load']:.1f}, {facts['load_end']:.1f}.\n"
        "Wall time, in parentheses processor time; medians, ours and the rival's in turns."
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each slow rival")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    facts = machine()
    rows: list[Row] = []
    for name in arguments.groups or GROUPS:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += GROUPS[name](arguments.rounds)
    facts["load_end"] = machine()["load"]
    if arguments.json:
        numbers = [{**asdict(row), "ratio": row.ratio, "ratio_cpu": row.ratio_cpu} for row in rows]
        print(json.dumps({"machine": facts, "rows": numbers}, ensure_ascii=False, indent=1))
        return
    print(f"{describe(facts)}\n\n{table(rows)}")


if __name__ == "__main__":
    main()

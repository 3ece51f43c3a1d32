"""Runs the benchmarks and prints one table; see README.md. `--json` prints the numbers instead."""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data import write_librispeech, write_requests
from measure import Measured, machine, script, time_command

REQUESTS = 10_000
MEMORY_SIZES = (2_000, 10_000, 50_000)
MILLION = 1_000_000
BATCH_SECONDS = "0.4"
VLM_BATCH = 16
RESAMPLES = 10_000
JIWER_RESAMPLES = 20
LM_EVAL_RESAMPLES = 1_000
SCRIPTS = Path(sysconfig.get_path("scripts"))


@dataclass(frozen=True)
class Row:
    """One line of the table: ours, the rival's, and what was aimed at."""

    what: str
    unit: str
    ours: float
    target: str
    rival: str = ""
    theirs: float | None = None
    ours_cpu: float | None = None
    theirs_cpu: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times more the rival needs."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def ratio_cpu(self) -> float | None:
        """The same in processor time, which other programs disturb less."""
        if self.theirs_cpu is None or self.ours_cpu is None:
            return None
        return self.theirs_cpu / self.ours_cpu


def median(runs: Sequence[Measured], key: str) -> float:
    """Return the median of one reported number."""
    return statistics.median(float(one.result[key]) for one in runs)


def peak(runs: Sequence[Measured]) -> float:
    """Return the median peak memory in MB."""
    return statistics.median(one.peak_mb for one in runs)


def alternate(
    ours: Callable[[], Measured], theirs: Callable[[], Measured], rounds: int
) -> tuple[list[Measured], list[Measured]]:
    """Run ours, theirs, ours, …, ours: theirs always lies between two of ours."""
    mine, rivals = [ours()], []
    for _ in range(rounds):
        rivals.append(theirs())
        mine.append(ours())
    return mine, rivals


def missing(package: str, what: str, unit: str, ours: float, target: str) -> Row:
    """Return a row without a rival, which says so."""
    return Row(what, unit, ours, target, note=f"{package} is not installed: nothing to compare")


def installed(package: str) -> bool:
    """Tell whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


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


def engine(rounds: int) -> Iterator[Row]:
    """The engine with a model that takes no time."""
    with tempfile.TemporaryDirectory(prefix="mio-eval-bench-") as name:
        folder = Path(name)
        for size in MEMORY_SIZES:
            write_librispeech(folder / str(size), size)
        write_requests(folder, REQUESTS)
        turns = iter(range(1000))

        def ours(size: int) -> Measured:
            runs = folder / f"runs-{next(turns)}"
            return script("engine_ours.py", str(folder / str(size)), str(runs))

        def theirs(*keep: str) -> Measured:
            scratch = folder / f"rival-{next(turns)}"
            scratch.mkdir()
            (scratch / "requests.jsonl").symlink_to(folder / "requests.jsonl")
            return script("engine_lm_eval.py", str(scratch), *keep)

        yield from _per_sample(lambda: ours(REQUESTS), theirs, rounds)
        peaks = {size: ours(size).peak_mb for size in MEMORY_SIZES}
    least, most = min(MEMORY_SIZES), max(MEMORY_SIZES)
    yield Row(
        f"engine, peak memory at {most:,} samples",
        "MB",
        peaks[most],
        "flat",
        note=", ".join(f"{size:,}: {value:.0f} MB" for size, value in peaks.items())
        + f"; {1000 * (peaks[most] - peaks[least]) / (most - least):.2f} kB a sample",
    )


def _per_sample(
    ours: Callable[[], Measured], theirs: Callable[..., Measured], rounds: int
) -> Iterator[Row]:
    what = f"engine, {REQUESTS:,} samples, journal and cache on: a sample"
    scale = 1e6 / REQUESTS
    if not installed("lm_eval"):
        mine = [ours() for _ in range(rounds + 1)]
        yield missing("lm-eval", what, "µs", scale * median(mine, "seconds"), "below 300")
        return
    mine, plain = alternate(ours, theirs, rounds)
    kept = [theirs("keep") for _ in range(rounds)]
    for label, rival in (("", plain), (", its cache on", kept)):
        yield Row(
            what,
            "µs",
            scale * median(mine, "seconds"),
            "below 300",
            f"lm-eval dummy{label}",
            scale * median(rival, "seconds"),
            scale * median(mine, "cpu"),
            scale * median(rival, "cpu"),
        )
    yield Row("the same, peak memory", "MB", peak(mine), "less", "lm-eval dummy", peak(plain))


def busy(rounds: int) -> Iterator[Row]:
    """How busy a model is while media are decoded for it."""
    with tempfile.TemporaryDirectory(prefix="mio-eval-bench-") as folder:
        mine, naive = alternate(
            lambda: script("engine_busy.py", "ours", folder, BATCH_SECONDS),
            lambda: script("engine_busy.py", "naive", folder, BATCH_SECONDS),
            rounds,
        )
    yield Row(
        f"{mine[0].result['n']} requests, JPEG, FLAC, MP4; model {BATCH_SECONDS} s a batch",
        "s",
        median(mine, "seconds"),
        "less",
        "decode a batch, then run it",
        median(naive, "seconds"),
        median(mine, "cpu"),
        median(naive, "cpu"),
        note=f"model busy {median(mine, 'busy_share'):.1%} of the time (aim: 95 %), "
        f"rival's {median(naive, 'busy_share'):.1%}",
    )


def ray_workers(rounds: int) -> Iterator[Row]:
    """Two workers against one, and what the engine itself takes."""
    if not installed("ray"):
        return
    two, one = alternate(
        lambda: script("engine_ray.py", "compute", "2"),
        lambda: script("engine_ray.py", "compute", "1"),
        rounds,
    )
    yield Row(
        f"Ray, {one[0].result['n']} requests of arithmetic, 2 workers",
        "s",
        median(two, "seconds"),
        "1.7 times as fast on 2 cores",
        "1 worker",
        median(one, "seconds"),
    )
    empty = script("engine_ray.py", "empty", "2")
    yield Row(
        "Ray, a request that takes no time, 2 workers",
        "ms",
        1000 * empty.result["per_request"],
        "below 2",
    )


def million(rounds: int) -> Iterator[Row]:
    """A million samples: memory, journal, resumption."""
    with tempfile.TemporaryDirectory(prefix="mio-eval-bench-") as name:
        folder = Path(name)
        write_librispeech(folder / "data", MILLION, sounds=False)
        arguments = (str(folder / "data"), str(folder / "runs"))
        whole = script("engine_million.py", "whole", *arguments).result
        again = script("engine_million.py", "resume", *arguments).result
    yield Row(
        f"engine, {whole['n']:,} samples: memory above the start",
        "MB",
        whole["finished_mb"],
        "below 300",
        note=f"{whole['generated_mb']:.0f} MB before scoring; journal "
        f"{whole['bytes_per_sample']:.0f} bytes a sample; {whole['seconds']:.0f} s "
        f"({whole['cpu']:.0f}) in all, of them {whole['timings']['score']:.0f} s scoring",
    )
    yield Row(
        "the same, resumed when all is generated: until scoring",
        "s",
        again["generated_seconds"],
        "below 30",
        note=f"{again['finished_mb']:.0f} MB above the start",
    )


def vlm(rounds: int) -> Iterator[Row]:
    """A vision-language model: batches against single requests, and against lm-eval."""
    one_thread = {"OMP_NUM_THREADS": "1"}  # of two, the one that other programs stop stops both
    with tempfile.TemporaryDirectory(prefix="mio-eval-bench-") as folder:
        script("vlm_data.py", folder)
        turns = iter(range(1000))

        def ours(batch: int) -> Measured:
            runs = str(Path(folder) / f"runs-{next(turns)}")
            return script("vlm_ours.py", folder, runs, str(batch), env=one_thread)

        mine, single = alternate(lambda: ours(VLM_BATCH), lambda: ours(1), rounds)
        rivals = []
        if installed("lm_eval"):
            for _ in range(rounds):
                rivals.append(script("vlm_lm_eval.py", folder, str(VLM_BATCH), env=one_thread))
                mine.append(ours(VLM_BATCH))
    texts = mine[0].result["texts"]
    what = f"LLaVA of 224 M parameters, {len(texts)} questions on photographs, batch {VLM_BATCH}"
    for name, others in (("mio-eval, batch 1", single), ("lm-eval hf-multimodal", rivals)):
        if not others:
            yield missing("lm-eval", what, "s", median(mine, "seconds"), "as fast")
            continue
        assert all(one.result["texts"] == texts for one in [*mine, *others]), "answers differ"
        yield Row(
            what,
            "s",
            median(mine, "seconds"),
            "2 times as fast" if others is single else "as fast",
            name,
            median(others, "seconds"),
            median(mine, "cpu"),
            median(others, "cpu"),
            note="the same answers",
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

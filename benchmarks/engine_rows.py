"""Groups of the benchmark table about the engine: overhead, media, workers, size, a real model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from data import write_librispeech, write_requests
from measure import Measured, script
from rows import Row, alternate, installed, median, missing, peak

REQUESTS = 10_000
MEMORY_SIZES = (2_000, 10_000, 50_000)
MILLION = 1_000_000
BATCH_SECONDS = "0.4"
VLM_BATCH = 16


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

"""What a run is asked to do, and the checks that need nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from threading import TIMEOUT_MAX
from typing import Literal, TypeAlias

from ..data.sources import DataMode
from ..errors import UsageError, unknown
from ..tasks import POSITIONS
from ..types import Json
from .prefetch import LIMIT_BYTES

BatchOption: TypeAlias = int | Literal["auto"] | None
ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked to do. The first group decides the numbers; the second only the way."""

    tasks: tuple[str, ...]
    model: str = "starter"
    model_args: Mapping[str, str] = field(default_factory=dict)
    data: DataMode | None = None
    data_dir: str | None = None
    limit: int | None = None
    seed: int = 0
    prompt_style: str | None = None
    separator: str = "\n"
    media_position: str = POSITIONS[0]
    metric_settings: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    allow_partial: bool = False
    deterministic: bool = False

    out: str = "results/runs"
    batch_size: BatchOption = None
    """Requests handed to the model at once; None leaves it to the backend."""
    timeout: float = 600.0
    max_failures: str = "0"
    cache: bool = True
    judge_device: str = ""
    prefetch_threads: int | None = None
    prefetch_bytes: int = LIMIT_BYTES
    overlap: bool = True
    """Score a finished task while the next one is generated."""
    engine: str = "local"
    address: str | None = None
    workers: int | None = None
    gpus_per_worker: float | None = None

    def identity(self) -> Json:
        """Return the options that decide the numbers, for finding an unfinished run again."""
        data = asdict(self)
        for name in OPERATIONAL:
            del data[name]
        if not self.deterministic:
            del data["deterministic"]  # runs made before there was such an option are found
        if self.media_position == POSITIONS[0]:
            del data["media_position"]
        return data


# How a run goes, as against what it measures: these may change when it is continued.
OPERATIONAL = (
    *("out", "batch_size", "timeout", "max_failures", "cache", "judge_device"),
    *("prefetch_threads", "prefetch_bytes", "overlap"),
    *("engine", "address", "workers", "gpus_per_worker"),
)


def check_options(options: Options) -> None:
    """Refuse values that cannot work. Raises UsageError."""
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit {options.limit}: expected a number of samples from 1 up")
    check_batch_size(options.batch_size)
    if options.deterministic and options.batch_size == "auto":
        raise UsageError(
            "--deterministic with --batch-size auto: the sizes it tries depend on timing; "
            "give a number"
        )
    if not 0 < options.timeout <= TIMEOUT_MAX:
        raise UsageError(
            f"--timeout {options.timeout:g}: expected seconds above 0 and below {TIMEOUT_MAX:g}"
        )
    if options.media_position not in POSITIONS:
        raise unknown("--media-position", options.media_position, POSITIONS)
    parse_max_failures(options.max_failures)
    if options.data_dir is not None and options.data in ("hub", "sample"):
        raise UsageError(f"--data {options.data} does not read --data-dir; leave one of them out")
    if options.prefetch_threads is not None and options.prefetch_threads < 1:
        raise UsageError(
            f"--prefetch-threads {options.prefetch_threads}: expected a number from 1 up"
        )
    if options.prefetch_bytes < 1:
        raise UsageError(f"--prefetch-memory {options.prefetch_bytes}: expected bytes from 1 up")
    _check_engine(options)


def _check_engine(options: Options) -> None:
    if options.engine not in ENGINES:
        raise unknown("--engine", options.engine, ENGINES)
    given = {
        "--address": options.address,
        "--workers": options.workers,
        "--gpus-per-worker": options.gpus_per_worker,
    }
    if options.engine != "ray":
        for name, value in given.items():
            if value is not None:
                raise UsageError(f"{name} {value} is an option of --engine ray; add that")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers {options.workers}: expected a number from 1 up")
    if options.gpus_per_worker is not None and not options.gpus_per_worker >= 0:
        raise UsageError(f"--gpus-per-worker {options.gpus_per_worker}: expected 0 or more")


def check_batch_size(size: object) -> None:
    """Refuse what is no batch size. Raises UsageError."""
    whole = isinstance(size, int) and not isinstance(size, bool)
    if size is None or size == "auto" or (whole and size >= 1):  # type: ignore[operator]
        return
    raise UsageError(f"--batch-size {size}: expected a number from 1 up, or auto")


def parse_bytes(text: str) -> int:
    """Read an amount of memory: bytes, or with a unit as `512MiB` or `2GB`."""
    units = {
        "": 1,
        "k": 1000,
        "m": 1000**2,
        "g": 1000**3,
        "ki": 1 << 10,
        "mi": 1 << 20,
        "gi": 1 << 30,
    }
    number = text.strip().rstrip("kKmMgGiIbB ")
    unit = text.strip()[len(number) :].strip().lower().removesuffix("b")
    try:
        value = float(number) * units[unit]
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"--prefetch-memory {text!r}: expected an amount such as 512MiB or 2GiB"
        ) from error
    if not 1 <= value < 1 << 62:  # `not`, so that NaN is refused too
        raise UsageError(f"--prefetch-memory {text!r}: expected at least one byte")
    return int(value)


def parse_max_failures(text: str) -> tuple[float, bool]:
    """Read `--max-failures`: a count, or a share as `5%`. Returns (value, is a share)."""
    share = text.endswith("%")
    try:
        value = float(text.removesuffix("%")) if share else float(int(text))
    except ValueError as error:
        raise UsageError(
            f"--max-failures {text!r}: expected a count or a share such as 2%"
        ) from error
    if not value >= 0 or (share and value > 100):  # `not`, so that NaN is refused too
        raise UsageError(f"--max-failures {text!r}: expected 0 or more, at most 100%")
    return value, share


def too_many_failures(failed: int, expected: int, limit: str) -> bool:
    """Tell whether more samples failed than `--max-failures` allows."""
    value, share = parse_max_failures(limit)
    return failed > (value / 100 * expected if share else value)

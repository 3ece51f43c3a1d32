"""Which requests go together, and how many: windows sorted by cost, a batch size that adapts."""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ..models.base import OutOfMemory
from ..types import Json, Request

FIRST_WINDOW = 64  # requests: small at first, so that the model need not wait for many to be read
WINDOW = 1024  # requests looked ahead at most: they hold references to media, not media
MAX_AUTO = 1024  # requests a batch that `auto` tries at most
DEFAULT = 16  # requests a batch when neither the user nor the backend names a number
_BATCHES_A_SIZE = 2  # batches measured before `auto` decides about a size
_WORTH = 1.1  # a doubled batch must raise the throughput by a tenth


def by_cost(
    requests: Iterable[Request], cost: Callable[[Request], float], window: int = WINDOW
) -> Iterator[Request]:
    """Yield requests, the dearest of each window first; of equal cost in the order given.

    The first request of a window needs the most memory, so that a batch that is too large is
    found at once. Windows double up to `window`. A cost that is no number counts as 0.
    """
    source = iter(requests)
    size = min(FIRST_WINDOW, window)
    while ahead := list(itertools.islice(source, size)):
        if len(ahead) > 1:
            ahead.sort(key=lambda request: -cost_of(request, cost))
        ahead.reverse()
        while ahead:  # popped, so that a request is not held once it is under way
            yield ahead.pop()
        size = min(2 * size, window)


def cost_of(request: Request, cost: Callable[[Request], float]) -> float:
    """Return a request's cost; 0 where the backend's estimate fails or is no number."""
    try:
        value = float(cost(request))
    # An estimate is the backend's own code; the request itself may still be answered.
    except Exception:
        return 0.0
    return value if math.isfinite(value) else 0.0


class BatchSize:
    """How many requests the model gets at once.

    Args:
        size: the size to use; with `auto` the one to start from.
        auto: double the size while batches fit and the throughput grows.
        changed: told of every new size and why.
    """

    def __init__(
        self,
        size: int,
        auto: bool = False,
        changed: Callable[[int, str], None] = lambda size, why: None,
    ) -> None:
        self.current = size
        self.used: Counter[int] = Counter()
        self.out_of_memory = 0
        self._auto = auto
        self._changed = changed
        self._limit = MAX_AUTO if auto else size
        self._growing = auto
        self._best: tuple[int, float] = (0, 0.0)  # size, throughput
        self._batches, self._work, self._seconds = 0, 0.0, 0.0

    def start_task(self) -> None:
        """Look for a better size again: another task has other requests. A limit found stays."""
        self._growing = self._auto
        self._best = (0, 0.0)
        self._batches, self._work, self._seconds = 0, 0.0, 0.0

    @property
    def learns(self) -> bool:
        """Tell whether the work of finished batches is of interest."""
        return self._growing

    def done(self, count: int, work: float, seconds: float) -> None:
        """Learn from a finished batch: its requests, the sum of their costs, its seconds."""
        self.used[count] += 1
        if not self._growing or count < self.current:
            return
        self._batches += 1
        self._work += max(work, 1e-9 * count)
        self._seconds += seconds
        if self._batches < _BATCHES_A_SIZE:
            return
        rate = self._work / max(self._seconds, 1e-9)
        self._batches, self._work, self._seconds = 0, 0.0, 0.0
        size, best = self._best
        if rate < _WORTH * best:
            self._growing = False
            self._set(size, "a larger batch is not faster")
            return
        self._best = (self.current, rate)
        if 2 * self.current > self._limit:
            self._growing = False
            return
        self._set(2 * self.current, "trying a larger batch")

    def too_large(self, count: int) -> None:
        """Halve after a batch of `count` requests that did not fit; the limit is remembered."""
        self.out_of_memory += 1
        smaller = max(1, count // 2)
        self._growing = False
        if smaller < self.current:
            self._limit = smaller
            self._set(smaller, f"{count} requests did not fit into memory")

    def to_json(self) -> Json:
        """Return what run.json records."""
        return {
            "size": self.current,
            "auto": self._auto,
            "batches": {str(size): count for size, count in sorted(self.used.items())},
            "out_of_memory": self.out_of_memory,
        }

    def _set(self, size: int, why: str) -> None:
        if size != self.current:
            self.current = size
            self._changed(size, why)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a batch was too large, whatever library raised it."""
    if isinstance(error, OutOfMemory | MemoryError):
        return True
    if any(kind.__name__ in ("OutOfMemoryError", "OutOfMemory") for kind in type(error).__mro__):
        return True  # torch's, cupy's, jax's: their modules are not imported for this
    said = str(error).lower()
    return isinstance(error, RuntimeError) and "out of memory" in said


def free_memory() -> None:
    """Give back what a failed batch held, on the accelerator too when torch is in use."""
    import gc

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

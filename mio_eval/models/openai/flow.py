"""How many requests are under way: more while all goes well, half when the server is overloaded.

Additive increase, multiplicative decrease (Chiu and Jain 1989), with TCP's slow start: the limit
doubles each round until the first overload, then grows by one a round. Of one burst of overloads
the first alone halves it: a request begun before the last cut says nothing about the new limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_START = 4


class Flow:
    """Lets requests begin. For use in one event loop.

    Args:
        most: requests under way at once, at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = float(min(_START, most))
        self.under_way = 0
        self.cuts = 0
        self._slow_start = True
        self._open_at = 0.0  # the loop's time before which nothing begins
        self._last_cut = -1.0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a turn, and give it back afterwards. Yields the time at which it began."""
        clock = asyncio.get_running_loop().time
        async with self._changed:
            while True:
                wait = self._open_at - clock()
                if wait <= 0 and self.under_way < int(self.limit):
                    break
                try:
                    async with asyncio.timeout(wait if wait > 0 else None):
                        await self._changed.wait()
                except TimeoutError:
                    continue
            self.under_way += 1
        try:
            yield clock()
        finally:
            self.under_way -= 1
            await asyncio.shield(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def succeeded(self) -> None:
        """Note a success: room for more."""
        step = 1.0 if self._slow_start else 1 / self.limit
        self.limit = min(float(self._most), self.limit + step)

    def overloaded(self, began: float) -> None:
        """Note that the server had too much to do, seen by a request begun at `began`."""
        self._slow_start = False
        if began >= self._last_cut:
            self.limit = max(1.0, self.limit / 2)
            self._last_cut = asyncio.get_running_loop().time()
            self.cuts += 1

    def pause(self, seconds: float) -> None:
        """Let nothing begin for a while, as the server asked."""
        self._open_at = max(self._open_at, asyncio.get_running_loop().time() + seconds)

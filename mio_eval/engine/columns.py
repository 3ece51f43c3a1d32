"""Columns of many strings in little memory: a million ids take some 30 MB, as list 80 MB and up."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..jsonio import canonical

_WIDEST = 64  # bytes of a string that numpy is to sort; longer ones Python sorts
_CHUNK = 1 << 16
_HASH = 32  # bytes of a content hash


class Strings:
    """A list of strings that only grows, kept as UTF-8 bytes end to end."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._data = bytearray()
        self._ends = array("Q", [0])
        self._longest = 0
        for value in values:
            self.append(value)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._bytes(number).decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Strings):
            return self._data == other._data and self._ends == other._ends
        return isinstance(other, list) and list(self) == other

    __hash__ = None  # type: ignore[assignment]

    def append(self, value: str) -> None:
        """Add a string at the end."""
        data = value.encode("utf-8", "surrogatepass")
        self._data += data
        self._ends.append(len(self._data))
        self._longest = max(self._longest, len(data))

    def order(self) -> Sequence[int]:
        """Return the positions in the order of the strings; equal ones in the order given.

        The order of UTF-8 bytes is that of code points, so it is also that of Python's str.
        """
        # numpy drops NUL bytes at the end of a string.
        if self._longest > _WIDEST or b"\0" in self._data:
            return sorted(range(len(self)), key=self._bytes)
        table = np.empty(len(self), dtype=f"S{max(1, self._longest)}")
        for start in range(0, len(self), _CHUNK):
            end = min(start + _CHUNK, len(self))
            table[start:end] = [self._bytes(number) for number in range(start, end)]
        return array("q", np.argsort(table, kind="stable").astype(np.int64).tobytes())

    def _bytes(self, number: int) -> bytes:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return bytes(self._data[self._ends[number] : self._ends[number + 1]])


class Fingerprint:
    """Hashes which samples a task's scores rest on, whatever the order they come in."""

    def __init__(self) -> None:
        self._ids = Strings()
        self._hashes = bytearray()
        self._other: dict[int, str | None] = {}
        """Contents that are no sha256: none where a sample could not be read."""

    def append(self, pair: tuple[str, str | None]) -> None:
        """Add a sample: its id and the hash of its content."""
        name, content = pair
        raw = b""
        if content is not None and len(content) == 2 * _HASH and content == content.lower():
            try:
                raw = bytes.fromhex(content)
            except ValueError:
                raw = b""
        if len(raw) != _HASH:
            self._other[len(self._ids)] = content
            raw = bytes(_HASH)
        self._ids.append(name)
        self._hashes += raw

    def digest(self) -> str:
        """Return the hex sha256 of the canonical JSON of all pairs, sorted by id."""
        found = hashlib.sha256(b"[")
        comma = b""
        for number in self._ids.order():
            if number in self._other:
                content = self._other[number]
            else:
                content = self._hashes[_HASH * number : _HASH * (number + 1)].hex()
            found.update(comma + canonical([self._ids[number], content]))
            comma = b","
        found.update(b"]")
        return found.hexdigest()

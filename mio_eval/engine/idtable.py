"""Ids of a task's samples in little memory: a million take some 30 MB, as str in a set 130 MB."""

from __future__ import annotations

import hashlib
from array import array

_BYTES = 16  # of a content hash: two of a million collide with a chance below 1e-26
_HEX = 64  # digits of a sha256
_FIRST_SLOTS = 1 << 10


class IdTable:
    """Numbers ids 0, 1, … in the order they are first seen. Keeps hashes, not the ids.

    Two of Python's own hashes, 128 bits together: two of a million ids collide with a chance below
    1e-26.
    """

    def __init__(self) -> None:
        self._first = array("q")
        self._second = array("q")
        self._slots = array("i", [-1]) * _FIRST_SLOTS

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) >= 0

    def find(self, name: str) -> int:
        """Return the number of an id, or −1."""
        return self._slots[self._slot(hash(name), hash(name + "\0"))]

    def add(self, name: str) -> bool:
        """Number an id; tell whether it is new."""
        first, second = hash(name), hash(name + "\0")
        slot = self._slot(first, second)
        if self._slots[slot] >= 0:
            return False
        self._slots[slot] = len(self._first)
        self._first.append(first)
        self._second.append(second)
        if 2 * len(self._first) > len(self._slots):
            self._grow()
        return True

    def _slot(self, first: int, second: int) -> int:
        """Find the slot of an id, or the empty one where it belongs (linear probing)."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = first & mask
        while (number := slots[slot]) >= 0:
            if self._first[number] == first and self._second[number] == second:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self._slots = array("i", [-1]) * (4 * len(self._slots))
        for number, (first, second) in enumerate(zip(self._first, self._second, strict=True)):
            self._slots[self._slot(first, second)] = number


class ContentTable:
    """Maps ids to content hashes, as `dict[str, str | None]` would; keeps hashes of both."""

    def __init__(self) -> None:
        self._ids = IdTable()
        self._contents = bytearray()
        self._met = bytearray()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def put(self, name: str, content: str | None) -> bool:
        """Add an id with its content; tell whether it is new."""
        if not self._ids.add(name):
            return False
        self._contents += _content_hash(content)
        self._met.append(0)
        return True

    def find(self, name: str) -> int:
        """Return the number of an id, or −1."""
        return self._ids.find(name)

    def same(self, number: int, content: str) -> bool:
        """Tell whether the content of an id is this."""
        stored = self._contents[_BYTES * number : _BYTES * (number + 1)]
        return stored == _content_hash(content)

    def meet(self, number: int) -> bool:
        """Note that an id was asked for; tell whether it is the first time."""
        first = not self._met[number]
        self._met[number] = 1
        return first

    def met(self, name: str) -> bool:
        """Tell whether an id was asked for."""
        return bool(self._met[self._ids.find(name)])

    @property
    def all_met(self) -> bool:
        """Tell whether every id was asked for."""
        return 0 not in self._met


def _content_hash(content: str | None) -> bytes:
    """Shorten a content's sha256, which is as good as a hash of it."""
    if content is not None and len(content) == _HEX and content.isalnum():
        try:
            return bytes.fromhex(content[: 2 * _BYTES])
        except ValueError:
            pass
    return hashlib.blake2b((content or "").encode("utf-8", "replace"), digest_size=_BYTES).digest()

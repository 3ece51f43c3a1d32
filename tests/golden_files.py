"""Recorded values of other implementations, from `tests/golden`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"


def read_golden(name: str) -> Any:
    """Read JSON by its path in `tests/golden`; the suffix `.gz` means gzip."""
    data = (GOLDEN / name).read_bytes()
    return json.loads(gzip.decompress(data) if name.endswith(".gz") else data)

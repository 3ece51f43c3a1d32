"""What a command imports, seen from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from mio_eval.cli.app import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit as stop:
    code = stop.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """Return the top-level modules that `mio-eval ARGUMENTS` imports; it must succeed."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ended.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)

"""What `doctor` says about extras."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mio_eval import doctor

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_backends_and_engines_have_their_extra() -> None:
    named = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert {"hf", "openai", "ray"} <= set(doctor.EXTRAS) <= set(named)
    module_of = {"pillow": "PIL", "scenedetect-headless": "scenedetect"}
    for extra in ("hf", "openai", "ray"):
        own = [line for line in named[extra] if not line.startswith("mio-eval[")]
        packages = [re.split(r"[<>=]", line)[0] for line in own]
        assert {module_of.get(p, p) for p in packages} <= set(doctor.EXTRAS[extra])


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "hf", ("no_such_module",))
    lines = dict(doctor.diagnose())["extras"]
    assert "hf: missing no_such_module (pip install 'mio-eval[hf]')" in lines

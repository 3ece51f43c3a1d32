"""torchvision imports where its operators do not load, and other errors stay errors."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

CALL = """
import logging, sys
records = []
logging.getLogger("mio_eval.compat").addFilter(lambda r: bool(records.append(r.getMessage()) or 1))
from mio_eval.compat import import_torchvision
assert "torch" not in sys.modules
"""

FAKE = """
import torch
torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou_threshold: None)
torch.library.register_fake("torchvision::qnms")(lambda dets, scores, iou_threshold: None)
"""


def run(code, tmp_path, module=None):
    if module is not None:
        package = tmp_path / "torchvision"
        package.mkdir()
        (package / "__init__.py").write_text(module)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CALL}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )


def test_missing_operators_are_declared_once(tmp_path):
    pytest.importorskip("torch")
    code = """
first, second = import_torchvision(), import_torchvision()
assert first is second is sys.modules["torchvision"]
assert len(records) == 1 and "nms" in records[0], records
import torch
assert hasattr(torch.ops.torchvision, "nms") and hasattr(torch.ops.torchvision, "qnms")
"""
    done = run(code, tmp_path, FAKE)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs torchvision")
def test_the_installed_torchvision_imports(tmp_path):
    code = """
module = import_torchvision()
from torchvision.transforms import CenterCrop
assert CenterCrop(4)(__import__("PIL.Image").Image.new("RGB", (9, 9))).size == (4, 4)
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_other_errors_pass_through(tmp_path):
    done = run("import_torchvision()", tmp_path, "raise RuntimeError('CUDA versions differ')")
    assert done.returncode == 1
    assert "RuntimeError: CUDA versions differ" in done.stderr


def test_a_dependency_that_is_missing_is_no_missing_torchvision(tmp_path):
    done = run("import_torchvision()", tmp_path, "import a_module_that_nobody_has")
    assert done.returncode == 1
    assert "a_module_that_nobody_has" in done.stderr


def test_not_installed_is_none(tmp_path):
    code = "sys.modules['torchvision'] = None\nassert import_torchvision() is None"
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr

"""What is a user's to mend when a model does not load, and what is a bug."""

from __future__ import annotations

import importlib
import json
import pickle
import struct
from pathlib import Path

import pytest

from mio_eval.annotators.checkpoints import read_weights
from mio_eval.annotators.loading import Use, loading
from mio_eval.errors import RunError, UsageError

USE = Use("the judge tester", "--judge tester=starter", "pip install x")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("no such file"),
        UnicodeDecodeError("utf-8", b"\x80", 0, 1, "invalid start byte"),
        json.JSONDecodeError("Expecting value", "", 0),
        RuntimeError("size mismatch"),
        KeyError("weight"),
        EOFError(),
        AssertionError("Torch not compiled with CUDA enabled"),
        pickle.UnpicklingError("invalid load key"),
        struct.error("unpack requires 4 bytes"),
        Exception("data did not match any variant"),  # as tokenizers raises it
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_model_that_cannot_be_had(error: Exception) -> None:
    with pytest.raises(UsageError) as raised, loading(USE, "a/b"):
        raise error
    message = str(raised.value)
    assert message.startswith(f"the judge tester: cannot load a/b ({type(error).__name__}")
    assert message.endswith("name a local folder, or use --judge tester=starter")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("httpx", "ConnectError"),
        ("huggingface_hub.errors", "EntryNotFoundError"),
        ("huggingface_hub.errors", "StrictDataclassError"),
        ("safetensors", "SafetensorError"),
    ],
)
def test_errors_of_the_libraries_own(module: str, name: str) -> None:
    error = getattr(pytest.importorskip(module), name)("said so")
    with pytest.raises(UsageError, match=rf"\({name}: said so\)"), loading(USE, "a/b"):
        raise error


def test_a_missing_package() -> None:
    said = r"a/b needs a package \(No module.*\): pip install x$"
    with pytest.raises(UsageError, match=said), loading(USE, "a/b"):
        importlib.import_module("a_package_that_is_not_there")


def test_errors_of_ours_keep_their_words() -> None:
    for error in (UsageError("unknown model"), RunError("disk full")):
        with pytest.raises(type(error)) as raised, loading(USE, "a/b"):
            raise error
        assert raised.value is error


class HomeMadeError(Exception):
    """Of no library that loads models."""


@pytest.mark.parametrize("error", [NameError("x"), HomeMadeError("y")], ids=repr)
def test_a_bug_surfaces_as_itself(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, loading(USE, "a/b"):
        raise error
    assert raised.value is error


def test_a_wrong_call_of_ours_is_a_bug_and_a_wrong_value_in_a_file_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are TypeErrors; where they are raised tells them apart."""
    with pytest.raises(UsageError, match="TypeError: "), loading(USE, "a/b"):
        json.loads(None)  # type: ignore[arg-type]  # raised within json
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "w.pt")
    monkeypatch.setattr(torch, "load", lambda path: None)  # knows none of our arguments
    with pytest.raises(TypeError, match="unexpected keyword"), loading(USE, "a/b"):
        read_weights(tmp_path / "w.pt")


def test_weights_are_named_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.pt"
    state = {"weight": torch.arange(3)}
    torch.save(state, path)
    assert read_weights(path).keys() == {"weight"}
    torch.save({"model": state}, path)
    assert read_weights(path, "model")["weight"].tolist() == [0, 1, 2]
    for other in ([1], {"model": [1]}, {"model": {"weight": 1}}, {}, {1: torch.zeros(1)}):
        torch.save(other, path)
        with pytest.raises(ValueError, match="does not hold named tensors under 'model'"):
            read_weights(path, "model")


def test_weights_run_no_code(tmp_path: Path) -> None:
    class Writes:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch = pytest.importorskip("torch")
    torch.save({"weight": Writes()}, tmp_path / "w.pt")
    with pytest.raises(UsageError), loading(USE, "a/b"):
        read_weights(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()

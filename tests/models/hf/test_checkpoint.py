"""How checkpoints are found and named; what cannot be had is said before anything runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from models.hf.asking import opened

from mio_eval.errors import UsageError
from mio_eval.models import create_model
from mio_eval.models.hf import checkpoint as checkpoints


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pretrained": ""}, "needs pretrained="),
        ({"pretrained": "./nowhere"}, "there is no such folder"),
        ({"pretrained": "not a hub id!"}, "no folder, and no hub id"),
        ({"dtype": "float8"}, "unknown dtype of model hf 'float8'"),
        ({"device": "abacus"}, "expected cpu, cuda"),
        ({"device": "cpu", "device_map": "auto"}, "not both"),
        ({"quantization": "bnb"}, "unknown quantization of model hf 'bnb'; did you mean bnb-"),
        ({"trust_remote_code": "perhaps"}, "expected true or false"),
        ({"kind": "vml"}, "unknown kind of model hf 'vml'; did you mean vlm"),
        ({"max_pixel": "9"}, "unknown argument of model hf (kind causal) 'max_pixel'"),
        ({"revision": "main"}, "belongs to a hub id"),
        ({"batch_size": "0"}, "expected a whole number from 1 up"),
        ({"chat_template": "maybe"}, "expected on, off or auto"),
        ({"system_prompt": "Be brief"}, "needs chat_template=on"),
        ({"adapter": "./nowhere/adapter"}, "adapter"),
    ],
)
def test_wrong_arguments_are_said_at_once(
    llama: Path, arguments: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        create_model("hf", {"pretrained": str(llama), **arguments}).identity()
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


def test_hub_model_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def refuse(*args: Any, **more: Any) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(UsageError, match="the hub cannot be reached"):
        opened("someone/some-model")


def test_hub_revision_is_its_commit(
    llama: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--a--b" / "snapshots" / commit
    shutil.copytree(llama, snapshot)

    def fetch(name: str, file: str, revision: str | None = None) -> str:
        assert name == "a/b"
        if not (snapshot / file).exists():
            raise huggingface_hub.errors.EntryNotFoundError("no such file")
        return str(snapshot / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    identity = opened("a/b", revision="main").identity()
    assert identity.revision == commit
    assert identity.name == "a/b"


def test_folders_that_hold_no_model(llama: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match=r"neither config\.json"):
        opened(empty)
    (empty / "adapter_config.json").write_text('{"base_model_name_or_path": "base/model"}')
    with pytest.raises(UsageError, match="pretrained=base/model,adapter="):
        opened(empty)
    (empty / "config.json").write_text('{"model_type": "not_yet_made", "architectures": ["New"]}')
    with pytest.raises(UsageError, match="is New, which none of the kinds"):
        opened(empty)
    shutil.copy(llama / "tokenizer.json", empty)
    shutil.copy(llama / "tokenizer_config.json", empty)
    backend = opened(empty, kind="causal")
    with pytest.raises(UsageError, match="does not know the architecture 'not_yet_made'"):
        backend.load(("text",), "text")


def test_voxtral_is_sent_to_a_server(tmp_path: Path) -> None:
    config = {"model_type": "voxtral", "architectures": ["VoxtralForConditionalGeneration"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="--model openai"):
        opened(tmp_path).load(("audio",), "text")


def test_identity_follows_the_content(llama: Path, tmp_path: Path) -> None:
    moved = tmp_path / "llama"
    shutil.copytree(llama, moved)
    before = opened(llama).identity()
    assert opened(moved).identity() == before
    assert before.dtype == "float32"
    assert set(before.extra["versions"]) == {"transformers", "torch", "tokenizers"}
    (moved / "README.md").write_text("words")
    assert opened(moved).identity() == before
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    assert opened(moved).identity() != before
    assert opened(llama, dtype="bf16").identity().dtype == "bfloat16"


def test_large_files_are_hashed_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_WHOLE", 100)
    monkeypatch.setattr(checkpoints, "_STRIDE", 64)
    monkeypatch.setattr(checkpoints, "_BLOCK", 16)
    file = tmp_path / "model.safetensors"
    seen = set()
    for changed in (None, 3, 70, 999):  # the header, a block, the end
        data = bytearray(1000)
        if changed is not None:
            data[changed] = 1
        file.write_bytes(data)
        seen.add(checkpoints.content_hash(tmp_path))
    file.write_bytes(bytes(1001))
    seen.add(checkpoints.content_hash(tmp_path))
    assert len(seen) == 5

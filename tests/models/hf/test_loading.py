"""How weights are loaded: whole or not at all, with adapters, on devices, no code run unasked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from models.hf.asking import answers, opened  # noqa: E402

from mio_eval.annotators.checkpoints import load_complete  # noqa: E402
from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models import create_model  # noqa: E402
from mio_eval.models.hf import backend as backend_module  # noqa: E402
from mio_eval.models.hf import checkpoint as checkpoint_module  # noqa: E402
from mio_eval.models.hf import loading  # noqa: E402
from mio_eval.models.hf.family import LoadOptions  # noqa: E402


def test_cuda_asked_but_absent(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="finds no CUDA device"):
        create_model("hf", {"pretrained": str(llama), "device": "cuda"})


def test_damaged_weights_are_one_line(llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(llama, folder)
    (folder / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(UsageError, match="cannot load") as raised:
        opened(folder).load(("text",), "text")
    assert len(str(raised.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("name", "lacking", "said"),
    [
        ("llama", "lm_head.", "LlamaForCausalLM: it lacks lm_head.weight;"),
        ("llava_chat", "multi_modal_projector.", "and 1 more;"),
        ("smolvlm", "vision_model.encoder.layers.1.", "vision_model.encoder.layers.1."),
        ("qwen2_5_omni", "talker.", "it lacks talker."),
    ],
)
def test_weights_are_never_made_up(
    name: str, lacking: str, said: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """transformers would fill them with random numbers, and warn."""
    folder = without(checkpoint(name), tmp_path / name, lacking)
    backend = opened(folder)
    with pytest.raises(UsageError, match=f"{name} holds no trained") as raised:
        backend.load(("text",), "text")
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


def without(source: Path, folder: Path, lacking: str) -> Path:
    """Copy a checkpoint without the weights whose names have `lacking` in them."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    kept = {key: tensor for key, tensor in weights.items() if lacking not in key}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_weights_that_nothing_reads_may_be_missing(tmp_path: Path) -> None:
    """Published encoder-decoders leave out the encoder's pooler, which no decoder reads."""
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
             "num_attention_heads": 1}  # fmt: skip
    model = transformers.VisionEncoderDecoderModel(
        encoder=transformers.ViTModel(transformers.ViTConfig(image_size=16, patch_size=8, **small)),
        decoder=transformers.TrOCRForCausalLM(
            transformers.TrOCRConfig(
                vocab_size=9, d_model=8, decoder_layers=1, decoder_attention_heads=1,
                decoder_ffn_dim=8,
            )
        ),
    )  # fmt: skip
    model.save_pretrained(tmp_path / "whole")
    folder = without(tmp_path / "whole", tmp_path / "published", "encoder.pooler.dense")
    loaded = load_complete(transformers.VisionEncoderDecoderModel, str(folder))
    assert type(loaded) is type(model)


def test_remote_code_is_not_run_unasked(llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "remote"
    shutil.copytree(llama, folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(model_type="home_made", auto_map={
        "AutoConfig": "made.HomeConfig", "AutoModelForCausalLM": "made.HomeModel"})  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "made.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class HomeConfig(LlamaConfig):\n    model_type = 'home_made'\n"
        "class HomeModel(LlamaForCausalLM):\n    config_class = HomeConfig\n"
    )
    with pytest.raises(UsageError, match="not run unasked"):
        opened(folder).load(("text",), "text")
    backend = opened(folder, trust_remote_code="true")
    assert backend.identity().extra["trust_remote_code"] is True
    assert answers(backend) == answers(opened(llama))


def test_adapter_changes_the_output_and_is_recorded(llama: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(llama)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(model, lora)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    backend = opened(llama, adapter=str(tmp_path / "adapter"))
    found = answers(backend)
    assert found != answers(opened(llama))
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    inputs = tokenizer("Hm", return_tensors="pt")
    tokens = adapted.eval().generate(**inputs, max_new_tokens=12, do_sample=False)
    assert found[0] == tokenizer.decode(
        tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    recorded = backend.identity().extra["adapter"]
    assert recorded["name"] == "adapter"
    assert recorded["revision"].startswith("sha256:")


def test_an_adapter_that_would_have_no_effect_is_refused(llama: Path, tmp_path: Path) -> None:
    """Its scores would be the base model's, under the adapter's name."""
    peft = pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(llama)
    prompt = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    peft.get_peft_model(model, prompt).save_pretrained(tmp_path / "prompt")
    with pytest.raises(UsageError, match="PROMPT_TUNING adapter, which works around the model"):
        opened(llama, adapter=str(tmp_path / "prompt")).load(("text",), "text")


def test_an_adapter_of_other_layers_is_refused(llama: Path, tmp_path: Path) -> None:
    """Its layers are made, and stay without effect; PEFT warns."""
    peft = pytest.importorskip("peft")
    from safetensors.torch import load_file, save_file

    model = transformers.AutoModelForCausalLM.from_pretrained(llama)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
    peft.get_peft_model(model, lora).save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = {
        name.replace("model.layers", "language_model.layers"): tensor
        for name, tensor in load_file(file).items()
    }
    save_file(weights, file)
    with pytest.raises(UsageError, match=r"cannot load adapter .*missing adapter keys") as raised:
        opened(llama, adapter=str(tmp_path / "adapter")).load(("text",), "text")
    assert len(str(raised.value).splitlines()) <= 2


def test_an_adapter_of_the_hub_is_loaded_at_the_commit_that_is_recorded(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peft = pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(llama)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj"])
    commit = tmp_path / "0123456789012345678901234567890123456789"
    peft.get_peft_model(model, lora).save_pretrained(commit)
    found = {}
    kept = peft.PeftModel.from_pretrained

    def load(model: Any, name: str, **arguments: Any) -> Any:
        found.update(arguments, name=name)
        return kept(model, commit)

    monkeypatch.setattr(peft.PeftModel, "from_pretrained", load)
    monkeypatch.setattr(
        checkpoint_module, "hub_file", lambda name, file, revision: commit / "adapter_config.json"
    )
    backend = opened(llama, adapter="owner/adapter")
    backend.load(("text",), "text")
    assert found == {"name": "owner/adapter", "revision": commit.name}
    assert backend.identity().extra["adapter"]["revision"] == commit.name


def test_quantisers_are_recorded_with_their_version(llama: Path) -> None:
    checkpoint = checkpoint_module.read_checkpoint(str(llama), None)
    named = {
        name: backend_module._packages(checkpoint, LoadOptions(quantization=name))[-1]
        for name in loading.QUANTIZATIONS
    }
    assert named["bnb-4bit"] == "bitsandbytes"
    assert named["quanto-int8"] == "optimum-quanto"
    assert set(named.values()) == {"bitsandbytes", "optimum-quanto", "torchao", "hqq"}


def test_device_map(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("accelerate")
    given = {}
    whole = transformers.AutoModelForCausalLM.from_pretrained

    def load(name: str, **arguments: Any) -> Any:
        given.update(arguments)
        return whole(name, **arguments)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", load)
    backend = create_model("hf", {"pretrained": str(llama), "device_map": "auto"})
    found = answers(backend)
    assert given["device_map"] == "auto"
    assert found == answers(opened(llama))


def test_deterministic_mode(llama: Path) -> None:
    backend = opened(llama)
    backend.deterministic = True
    try:
        answers(backend)
        assert torch.are_deterministic_algorithms_enabled()
        assert backend.identity().extra["deterministic"] is True
    finally:
        torch.use_deterministic_algorithms(False)


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, llama: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install 'mio-eval\[hf\]'"):
        loading.need("a_package_that_is_not_there", "kind causal")
    with pytest.raises(UsageError, match="bitsandbytes"):
        opened(llama, quantization="bnb-4bit")

"""How checkpoints are found, loaded and named; what cannot be had is said before anything runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from models.hf import tiny  # noqa: E402

from mio_eval.annotators.checkpoints import load_complete  # noqa: E402
from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models import create_model  # noqa: E402
from mio_eval.models.base import OutOfMemory  # noqa: E402
from mio_eval.models.hf import checkpoint as checkpoints  # noqa: E402
from mio_eval.models.hf import loading  # noqa: E402
from mio_eval.types import Request, Text  # noqa: E402

SETTINGS = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}
ASKED = [Request(str(i), (Text(text),), "text", SETTINGS) for i, text in enumerate(("Hm", "Oh no"))]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny.llama(tmp_path_factory.mktemp("made") / "llama")


def opened(folder: Path | str, **arguments: str) -> Any:
    return create_model("hf", {"pretrained": str(folder), "device": "cpu", **arguments})


def answers(backend: Any, requests: list[Request] = ASKED) -> list[str]:
    backend.load(("text",), "text")
    found = {response.sample_id: response for response in backend.generate(requests)}
    assert all(response.failure is None for response in found.values())
    return [found[request.sample_id].output.text for request in requests]


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


def test_cuda_asked_but_absent(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="finds no CUDA device"):
        create_model("hf", {"pretrained": str(llama), "device": "cuda"})


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


def test_the_models_own_generation_defaults_do_not_count(llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sampler"
    shutil.copytree(llama, folder)
    own = {"do_sample": True, "temperature": 1.7, "top_k": 3, "repetition_penalty": 1.9,
           "num_beams": 4, "eos_token_id": 1, "pad_token_id": 2}  # fmt: skip
    (folder / "generation_config.json").write_text(json.dumps(own))
    backend = opened(folder)
    said: list[str] = []
    backend.say = said.append
    assert answers(backend) == answers(opened(llama))
    bare = [Request("x", (Text("Hm"),), "text", {"max_new_tokens": 12})]
    assert answers(backend, bare) == answers(opened(llama), bare)
    assert backend.identity().extra["generation"] == "task"
    assert said == [
        "the checkpoint's generation_config.json says do_sample True, num_beams 4, "
        "repetition_penalty 1.9, temperature 1.7, top_k 3: ignored, the task's settings count"
    ]


def test_settings_reach_generation(llama: Path) -> None:
    backend = opened(llama)
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    model = transformers.AutoModelForCausalLM.from_pretrained(llama).eval()
    inputs = tokenizer("Hm", return_tensors="pt")
    for settings in (
        {"num_beams": 3, "length_penalty": 2.0, "max_new_tokens": 9},
        {"repetition_penalty": 1.5, "max_new_tokens": 20},
        {"no_repeat_ngram_size": 2, "max_new_tokens": 20, "min_new_tokens": 20},
    ):
        (found,) = answers(backend, [Request("x", (Text("Hm"),), "text", settings)])
        tokens = model.generate(**inputs, **settings, do_sample=False)
        want = tokens[0, inputs["input_ids"].shape[1] :]
        assert found == tokenizer.decode(want, skip_special_tokens=True)
    (plain,) = answers(backend, ASKED[:1])
    assert len(plain) > 3
    stop = plain[2]
    (cut,) = answers(
        backend, [Request("x", (Text("Hm"),), "text", {"max_new_tokens": 12, "stop": [stop]})]
    )
    assert cut == plain[: plain.index(stop)]
    request = Request("x", (Text("Hm"),), "text", {"top_banana": 1})
    (response,) = backend.generate([request])
    assert "top_banana is not one of" in response.failure.message


def test_long_prompts_fail_alone_with_the_numbers(llama: Path) -> None:
    backend = opened(llama)
    backend.load(("text",), "text")
    long = Request("long", (Text("z" * 4090),), "text", SETTINGS)
    found = {r.sample_id: r for r in backend.generate([ASKED[0], long, ASKED[1]])}
    message = found["long"].failure.message
    assert "4091 tokens" in message
    assert "4096" in message
    assert [found[name].failure for name in ("0", "1")] == [None, None]


def test_out_of_memory_comes_before_any_answer(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(llama)
    backend.load(("text",), "text")

    def small(**inputs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(backend.family.model, "generate", small)
    with pytest.raises(OutOfMemory):
        next(backend.generate(ASKED))


def test_batches_of_the_backends_own(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(llama, batch_size="1")
    assert backend.batch_size == 1
    sizes = []
    family = type(backend.family)
    whole = family.generate

    def count(self: Any, requests: Any) -> Any:
        sizes.append(len(requests))
        return whole(self, requests)

    monkeypatch.setattr(family, "generate", count)
    assert answers(backend) == answers(opened(llama))
    assert sizes == [1, 1, 2]


def test_chat_template_of_a_language_model(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no chat template"):
        opened(llama, chat_template="on").load(("text",), "text")
    folder = tmp_path / "chat"
    shutil.copytree(llama, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "<s>" + tiny.CHAT
    tokenizer.save_pretrained(folder)
    (tmp_path / "system.txt").write_text("Be brief, please.\n")
    backend = opened(folder, chat_template="on", system_prompt=f"@{tmp_path / 'system.txt'}")
    (found,) = answers(backend, ASKED[:1])
    model = transformers.AutoModelForCausalLM.from_pretrained(llama).eval()
    ids = tokenizer.apply_chat_template(
        [{"role": "system", "content": "Be brief, please."}, {"role": "user", "content": "Hm"}],
        add_generation_prompt=True, return_tensors="pt", return_dict=True,
    )  # fmt: skip
    tokens = model.generate(**ids, max_new_tokens=12, do_sample=False)
    assert found == tokenizer.decode(
        tokens[0, ids["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert backend.identity().extra["system_prompt"] == "Be brief, please."
    assert answers(opened(folder))[:1] != [found]  # auto: no template, as in lm-eval


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, llama: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install 'mio-eval\[hf\]'"):
        loading.need("a_package_that_is_not_there", "kind causal")
    with pytest.raises(UsageError, match="bitsandbytes"):
        opened(llama, quantization="bnb-4bit")


def test_max_pixels(tmp_path: Path) -> None:
    from mio_eval.shipped import sample_data
    from mio_eval.types import Image

    image = Image(sorted(sample_data().glob("coco/val2014/*.jpg"))[0])
    request = Request("a", (image, Text("\nWhat?")), "text", SETTINGS)
    for name in ("qwen2_vl", "idefics2"):
        folder = tiny.BUILDERS[name](tmp_path / name)
        tokens = {}
        for limit in ("4000", "10000"):
            backend = opened(folder, max_pixels=limit)
            backend.load(("image", "text"), "text")
            prompt = backend.prepare(request)
            inputs = backend.family.encode([prompt])
            tokens[limit] = inputs["pixel_values"].numel()
            if name == "qwen2_vl":
                assert int(inputs["image_grid_thw"].prod()) * 14 * 14 <= int(limit)
            assert backend.identity().extra["max_pixels"] == int(limit)
            if name == "idefics2":
                assert prompt.images[0].width * prompt.images[0].height <= int(limit)
        if name == "qwen2_vl":
            assert tokens["4000"] < tokens["10000"]

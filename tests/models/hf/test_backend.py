"""What reaches a model's generation, and what it does with too much of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from models.hf import tiny  # noqa: E402
from models.hf.asking import ASKED, SETTINGS, answers, opened  # noqa: E402

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.base import OutOfMemory  # noqa: E402
from mio_eval.types import Request, Text  # noqa: E402


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


def test_max_pixels_of_the_frames_of_a_video(tmp_path: Path) -> None:
    """Recorded as the model's, so it must hold where the video has a processor of its own."""
    from mio_eval.shipped import sample_data
    from mio_eval.types import Video

    video = Video(sorted(sample_data().glob("msvd_qa/video/*"))[0])
    request = Request("a", (video, Text("What?")), "text", {**SETTINGS, "frames": "uniform:2"})
    backend = opened(tiny.BUILDERS["qwen2_5_vl"](tmp_path / "qwen"), max_pixels="3136")
    backend.load(("video", "text"), "text")
    (frames,) = backend.prepare(request).videos
    assert len(frames.images) == 2
    assert all(image.width * image.height <= 3136 for image in frames.images)


def test_a_cut_sound_is_not_heard_in_part(tmp_path: Path) -> None:
    import io

    import numpy as np
    import soundfile

    from mio_eval.types import Audio

    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000)
    soundfile.write(buffer, noise, 16_000, format="MP3")
    half = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    backend = opened(tiny.BUILDERS["qwen2_audio"](tmp_path / "qwen"))
    backend.load(("audio", "text"), "text")
    sound = Audio(load=lambda: half, name="half.mp3")
    (response,) = backend.generate([Request("a", (sound, Text("What?")), "text", SETTINGS)])
    assert response.failure is not None
    assert (response.failure.stage, response.failure.type) == ("decode", "DecodeError")


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

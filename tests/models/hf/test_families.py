"""Every family through the command line, against direct calls of transformers.

The architectures and processors are real, the weights tiny and random.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

soundfile = pytest.importorskip("soundfile")

from models.hf import direct  # noqa: E402
from models.hf.asking import drawn_or_spoken  # noqa: E402
from models.hf.tiny_speech import write_whisper  # noqa: E402
from PIL import Image as Pillow  # noqa: E402

from mio_eval.cli import main  # noqa: E402
from mio_eval.engine.journal import read_journal  # noqa: E402
from mio_eval.media import load_audio  # noqa: E402
from mio_eval.media.frames import parse_policy  # noqa: E402
from mio_eval.media.video import load_frames  # noqa: E402
from mio_eval.models import create_model  # noqa: E402
from mio_eval.models.hf.settings import request_seed  # noqa: E402
from mio_eval.shipped import sample_data, shipped  # noqa: E402
from mio_eval.types import Audio, Request, Text, Video  # noqa: E402

BEAMS = {"max_new_tokens": 16, "num_beams": 5, "do_sample": False}  # of the VQA tasks
WITH_TEMPLATE = [
    "llava_chat", "llava_next", "llava_onevision", "idefics2", "smolvlm", "qwen2_vl",
    "qwen2_5_vl", "qwen3_vl", "qwen2_5_omni",
]  # fmt: skip
RAW = ["llava", "blip2", "instructblip", "kosmos2"]
WITH_VIDEO = ["llava_onevision", "smolvlm", "qwen2_5_vl", "qwen3_vl", "qwen2_5_omni"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(folder: Path, tasks: str, out: Path, limit: int = 2) -> dict[str, list[Any]]:
    """Run the first samples of tasks through the command line; return their rows."""
    with pytest.raises(SystemExit) as stopped:
        main(
            ["run", "--model", "hf", "--model-args", f"pretrained={folder},device=cpu",
             "--tasks", tasks, "--data", "sample", "--limit", str(limit),
             "--prompt-style", "plain", "--out", str(out), "--no-cache"]
        )  # fmt: skip
    assert stopped.value.code == 0
    found = {}
    for task in tasks.split(","):
        (journal,) = out.glob(f"*/{task}/samples.jsonl")
        found[task] = sorted(read_journal(journal), key=lambda row: row["id"])
        assert [row["error"] for row in found[task]] == [None] * limit
    return found


def picture(name: str) -> Pillow.Image:
    (path,) = sample_data().glob(f"coco/val2014/{name}")
    return Pillow.open(path).convert("RGB")


def words(row: Any) -> str:
    return "".join(part.get("text", "") for part in row["prompt"]).strip()


def model_and_processor(folder: Path) -> tuple[Any, Any]:
    model, processor = direct.load(folder)
    return getattr(model, "thinker", model), processor


@pytest.mark.parametrize("name", WITH_TEMPLATE)
def test_questions_through_the_chat_template(
    name: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """About images, and about videos where the model has a processor for them."""
    folder = checkpoint(name)
    model, processor = model_and_processor(folder)
    found = run(folder, "vqav2,msvd_qa" if name in WITH_VIDEO else "vqav2", tmp_path)
    for row in found.get("msvd_qa", ()):
        check_video_answer(row, name, model, processor)
    said = []
    for row in found["vqav2"]:
        image = picture(row["prompt"][0]["image"])
        content = [{"type": "image", "image": image}, {"type": "text", "text": words(row)}]
        inputs = direct.chat_inputs(processor, content)
        want = direct.continue_text(model, processor, inputs, **BEAMS)
        assert row["output"]["text"] == want.strip()
        said.append(want.strip())
    assert any(said)


@pytest.mark.parametrize("name", RAW)
def test_image_question_without_a_chat_template(
    name: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checkpoint(name)
    model, processor = direct.load(folder)
    for row in run(folder, "vqav2", tmp_path)["vqav2"]:
        prompt = words(row)
        if name == "llava":
            prompt = f"<image>\n{prompt}"
        image = picture(row["prompt"][0]["image"])
        inputs = processor(images=image, text=prompt, return_tensors="pt")
        want = direct.continue_text(model, processor, inputs, **BEAMS)
        if name == "kosmos2":
            want = processor.post_process_generation(want)[0]
        assert row["output"]["text"] == want.strip()


def check_video_answer(row: Any, name: str, model: Any, processor: Any) -> None:
    """Compare with the processor on the frames that the task's policy picks."""
    (path,) = sample_data().glob(f"msvd_qa/video/{row['prompt'][0]['video']}")
    frames = load_frames(Video(path), parse_policy("uniform:8"))
    text = processor.apply_chat_template(
        [
            {
                "role": "user",
                "content": [{"type": "video"}, {"type": "text", "text": words(row)}],
            }
        ],
        add_generation_prompt=True,
    )
    metadata = {
        "total_num_frames": frames.total,
        "fps": frames.fps,
        "frames_indices": frames.indices,
        "duration": frames.total / frames.fps,
    }
    more = {"fps": 8 / (frames.total / frames.fps)} if name == "qwen2_5_omni" else {}
    inputs = processor(
        text=[text],
        videos=[frames.images],
        video_metadata=[metadata],
        do_sample_frames=False,
        return_tensors="pt",
        add_special_tokens=not text.startswith("<s>"),
        **more,
    )
    want = direct.continue_text(model, processor, inputs, **BEAMS)
    assert row["output"]["text"] == want.strip()
    assert row["timing"]["usage"]["frames"] == 8
    assert row["details"]["frames"] == {
        "policy": "uniform:8",
        "indices": frames.indices,
        "total": frames.total,
    }


def test_model_without_video_takes_the_frames_as_images(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checkpoint("idefics2")
    model, processor = direct.load(folder)
    for row in run(folder, "msvd_qa", tmp_path)["msvd_qa"]:
        (path,) = sample_data().glob(f"msvd_qa/video/{row['prompt'][0]['video']}")
        frames = load_frames(Video(path), parse_policy("uniform:8"))
        content = [{"type": "image", "image": image} for image in frames.images]
        inputs = direct.chat_inputs(processor, [*content, {"type": "text", "text": words(row)}])
        want = direct.continue_text(model, processor, inputs, **BEAMS)
        assert row["output"]["text"] == want.strip()
        assert row["details"]["frames"]["indices"] == frames.indices


def test_speech(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = checkpoint("qwen2_audio")
    model, processor = direct.load(folder)
    for row in run(folder, "librispeech", tmp_path, limit=1)["librispeech"]:  # 256 tokens each
        (path,) = sample_data().glob(f"LibriSpeech/sample/*/*/{row['prompt'][0]['audio']}")
        wave, rate = soundfile.read(path, dtype="float32")
        assert rate == 16_000
        content = [{"type": "audio"}, {"type": "text", "text": words(row)}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = processor(text=[text], audio=[wave], sampling_rate=rate, return_tensors="pt")
        settings = {**BEAMS, "max_new_tokens": 256}
        want = direct.continue_text(model, processor, inputs, **settings)
        assert row["output"]["text"] == want.strip()


def test_image_and_sound_together(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = checkpoint("qwen2_5_omni")
    model, processor = model_and_processor(folder)
    for row in run(folder, "omnibench", tmp_path)["omnibench"]:
        media = sample_data() / "omnibench" / "mm_data"
        (path,) = media.rglob(row["prompt"][0]["image"])
        (sound,) = media.rglob(row["prompt"][2]["audio"])
        content = [{"type": "image"}, {"type": "audio"}, {"type": "text", "text": words(row)}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = processor(
            text=[text],
            images=[Pillow.open(path).convert("RGB")],
            audio=[load_audio(Audio(sound))],
            sampling_rate=16_000,
            return_tensors="pt",
        )
        want = direct.continue_text(model, processor, inputs, **BEAMS)
        assert row["output"]["text"] == want.strip()


def test_omni_answers_in_speech(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("qwen2_5_omni")
    arguments = {"pretrained": str(folder), "device": "cpu", "talker_max_new_tokens": "12"}
    backend = create_model("hf", arguments)
    assert backend.can(["text"], "audio")
    backend.load(("text",), "audio")
    request = Request("a", (Text("Say hello"),), "audio", {"max_new_tokens": 8})
    waves = []
    for _ in range(2):
        (response,) = backend.generate([request])
        assert response.failure is None
        assert isinstance(response.output, Audio)
        wave, rate = soundfile.read(io.BytesIO(response.output.read()))
        assert rate == 24_000
        waves.append(wave)
    assert len(waves[0]) > 100
    assert (waves[0] == waves[1]).all()  # the talker samples, from the request's own seed
    (other,) = backend.generate([Request("b", request.parts, "audio", request.settings)])
    assert isinstance(other.output, Audio)
    assert other.output.read() != response.output.read()


def test_omni_speaks_in_a_whole_run(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the task's settings only the length is another: 3,000 tokens take long."""
    task = (shipped("tasks") / "vctk_tts.yaml").read_text(encoding="utf-8")
    task = task.replace("name: vctk_tts", "name: short_tts")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "short_tts.yaml").write_text(
        task.replace("max_new_tokens: 3000", "max_new_tokens: 8"), encoding="utf-8"
    )
    monkeypatch.setenv("MIO_EVAL_TASKS", str(tmp_path / "tasks"))
    folder = checkpoint("qwen2_5_omni")
    model, processor = direct.load(folder)
    judge = write_whisper(tmp_path / "judge")
    made = drawn_or_spoken(
        folder, "short_tts", tmp_path / "runs", "--judge",
        f"asr=hf/{judge}", "--judge", "speaker=none", talker_max_new_tokens="12",
    )  # fmt: skip
    for asked, path in made:
        content = [{"type": "text", "text": asked.parts[0].text}]
        inputs = direct.chat_inputs(processor, content)
        torch.manual_seed(request_seed(asked))
        with torch.no_grad():
            _, want = model.generate(
                **inputs, generation_mode="audio", speaker=next(iter(model.speaker_map)),
                thinker_max_new_tokens=8, thinker_do_sample=True, thinker_top_p=0.7,
                thinker_top_k=0, thinker_repetition_penalty=1.15, talker_max_new_tokens=12,
            )  # fmt: skip
        wave, rate = soundfile.read(path)
        assert rate == 24_000
        assert torch.allclose(
            torch.from_numpy(wave), want.reshape(-1).double().clamp(-1, 1), atol=1 / 32768
        )

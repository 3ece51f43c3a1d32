"""Whole runs on the bundled sample: what is in the run directory is what the libraries give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
diffusers = pytest.importorskip("diffusers")
soundfile = pytest.importorskip("soundfile")
Pillow = pytest.importorskip("PIL.Image")

from models.hf import tiny_images, tiny_speech, tiny_voices  # noqa: E402

from mio_eval.engine import Options, evaluate  # noqa: E402
from mio_eval.models.hf.settings import request_seed  # noqa: E402
from mio_eval.types import Request  # noqa: E402

SAMPLE = Path(__file__).parents[3] / "mio_eval" / "sample_data"
ASR_SETTINGS = {"num_beams": 5, "do_sample": False, "max_new_tokens": 20}  # Whisper's room: 20


def seed_of(sample: dict) -> int:
    return request_seed(Request(sample["id"], (), "text", key=sample["key"]))


def samples_of(run: Path, task: str) -> list[dict]:
    lines = (run / task / "samples.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def start(tmp_path: Path, task: str, folder: Path, judges=(), **arguments: str) -> Path:
    result = evaluate(
        Options(
            tasks=(task,),
            model="hf",
            model_args={"pretrained": str(folder), "device": "cpu", **arguments},
            data="sample",
            limit=2,
            judges=judges,
            out=str(tmp_path / "runs"),
            cache=False,
        )
    )
    assert not result.failed
    return result.path


def test_librispeech_heard_by_whisper(tmp_path):
    folder = tiny_speech.write_whisper(tmp_path / "whisper")
    run = start(tmp_path, "librispeech", folder, language="en")
    summary = json.loads((run / "run.json").read_text())
    assert summary["model"]["extra"]["kind"] == "asr"
    assert summary["model"]["extra"]["language"] == "en"
    assert summary["results"]["librispeech"]["wer"]["n_scored"] == 2

    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.WhisperProcessor.from_pretrained(folder)
    samples = samples_of(run, "librispeech")
    assert len(samples) == 2
    for sample in samples:
        (path,) = SAMPLE.rglob(f"{sample['id']}.flac")
        wave, rate = soundfile.read(path, dtype="float32")
        inputs = processor(
            wave, sampling_rate=rate, return_tensors="pt", return_attention_mask=True
        )
        with torch.no_grad():
            tokens = model.generate(**inputs, language="en", task="transcribe", **ASR_SETTINGS)
        expected = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
        assert sample["output"]["text"] == expected


def test_librispeech_through_ctc(tmp_path):
    folder = tiny_speech.write_ctc(tmp_path / "ctc")
    run = start(tmp_path, "librispeech", folder)
    model = transformers.Wav2Vec2ForCTC.from_pretrained(folder).eval()
    processor = transformers.Wav2Vec2Processor.from_pretrained(folder)
    for sample in samples_of(run, "librispeech"):
        (path,) = SAMPLE.rglob(f"{sample['id']}.flac")
        wave, rate = soundfile.read(path, dtype="float32")
        with torch.no_grad():
            found = model(**processor(wave, sampling_rate=rate, return_tensors="pt")).logits
        expected = processor.batch_decode(found.argmax(-1))[0].strip()
        assert sample["output"]["text"] == expected


def test_vctk_spoken_by_vits(tmp_path):
    folder = tiny_voices.write_vits(tmp_path / "vits")
    judge = tiny_speech.write_ctc(tmp_path / "judge")
    run = start(tmp_path, "vctk_tts", folder, judges=(f"asr=hf/{judge}", "speaker=none"))
    model = transformers.VitsModel.from_pretrained(folder).eval()
    tokenizer = transformers.VitsTokenizer.from_pretrained(folder)
    samples = samples_of(run, "vctk_tts")
    assert len(samples) == 2
    for sample in samples:
        text = "".join(part["text"] for part in sample["prompt"])
        torch.manual_seed(seed_of(sample))
        with torch.no_grad():
            expected = model(**tokenizer(text, return_tensors="pt")).waveform[0].numpy()
        wave, rate = soundfile.read(run / sample["output"]["audio"])
        assert rate == model.config.sampling_rate
        np.testing.assert_allclose(wave, expected.clip(-1, 1), atol=1 / 32768)


def test_coco_drawn_by_stable_diffusion(tmp_path):
    folder = tiny_images.write_stable_diffusion(tmp_path / "sd")
    none = tuple(f"{judge}=none" for judge in ("clip", "aesthetic"))
    size = {"num_inference_steps": "2", "height": "16", "width": "16"}
    run = start(tmp_path, "coco_t2i", folder, judges=none, **size)
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    samples = samples_of(run, "coco_t2i")
    assert len(samples) == 2
    for sample in samples:
        generator = torch.Generator().manual_seed(seed_of(sample))
        text = "".join(part["text"] for part in sample["prompt"])
        settings = {name: int(value) for name, value in size.items()}
        expected = np.asarray(pipeline(text, generator=generator, **settings).images[0])
        found = np.asarray(Pillow.open(run / sample["output"]["image"]))
        assert found.shape == (16, 16, 3)
        assert np.abs(found.astype(int) - expected).max() <= 1

"""`--model mio` on a complete, small checkpoint: every modality in and out."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from models.mio.release import image_codes, speech_codes, write_release
from PIL import Image as Pillow
from reference.speech_tokenizer import wave

from mio_eval.engine import Options, evaluate
from mio_eval.errors import UsageError
from mio_eval.media.frames import parse_policy
from mio_eval.media.video import load_frames
from mio_eval.models import create_model
from mio_eval.models.loglikelihood import LoglikelihoodRequest
from mio_eval.models.mio.backend import Mio
from mio_eval.models.mio.tokens import image_text, speech_text
from mio_eval.shipped import sample_data
from mio_eval.types import Audio, Image, Request, Text, Video


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("mio") / "MIO-tiny-Instruct")


@pytest.fixture(scope="module")
def mio(release: Path) -> Mio:
    backend = create_model("mio", {"pretrained": str(release), "steps": "2"})
    assert isinstance(backend, Mio)
    backend.load(("text", "image", "audio"), "text")
    backend.load((), "image")
    return backend


def ask(backend: Mio, want: str, *parts: object, **settings: object) -> object:
    request = Request("1", parts, want, {"max_new_tokens": 100, **settings}, 0, "key")
    (response,) = backend.generate([request])
    assert response.failure is None, response.failure
    return response.output


def picture() -> Image:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Pillow.fromarray(noise).save(stream, "PNG")
    return Image(load=stream.getvalue, name="x.png")


def sound() -> Audio:
    stream = io.BytesIO()
    soundfile.write(stream, wave(8000), 16000, format="WAV", subtype="FLOAT")
    return Audio(load=stream.getvalue, name="x.wav")


def test_text_comes_out(mio: Mio) -> None:
    output = ask(mio, "text", Text("Hello"))
    assert isinstance(output, Text)
    assert output.text.endswith("a small dog on red bed")


def test_an_image_comes_out_of_its_codes(mio: Mio) -> None:
    output = ask(mio, "image", Text("Please draw."))
    assert isinstance(output, Image)
    painted = Pillow.open(io.BytesIO(output.read()))
    parts = mio._parts
    embedding = parts.images.embed(torch.tensor([image_codes()]))[0]
    from mio_eval.models.hf.settings import request_seed

    seed = request_seed(Request("1", (), "image", {}, 0, "key"))
    theirs = parts.painter.paint(embedding, seed, steps=2)
    assert (np.asarray(painted) == np.asarray(theirs)).all()


def test_speech_comes_out_of_its_codes(mio: Mio) -> None:
    output = ask(mio, "audio", Text("Please speak."), do_sample=True, repetition_penalty=1.15)
    assert isinstance(output, Audio)
    heard, rate = soundfile.read(io.BytesIO(output.read()), dtype="float32")
    said = mio._parts.speech.decode(torch.tensor(speech_codes()))
    assert rate == 16000
    np.testing.assert_allclose(heard, np.clip(said, -1, 1), atol=1 / 32000)


def test_media_become_tokens_in_their_place(mio: Mio) -> None:
    parts = mio._parts
    request = Request("1", (Text("See "), picture(), Text(" hear "), sound()), "text")
    text = mio._language.read(request).text
    codes = parts.images.encode(
        parts.images.pixels(Pillow.open(io.BytesIO(picture().read())))[None]
    )
    said = parts.speech.encode(wave(8000))[:1]
    media = f"See {image_text(codes[0].tolist())} hear {speech_text(said.tolist())}"
    assert f"user\n{media}<|im_end|>" in text
    ids = mio._language.tokenizer(text, add_special_tokens=False)["input_ids"]
    # One token for every token of a medium, not pieces of its name.
    tokens = mio._language.tokenizer.convert_ids_to_tokens(ids)
    assert sum(t.startswith("<img") for t in tokens) == 32
    assert sum(t.startswith("<spch") and t != "<spch>" for t in tokens) == said.shape[1]


def test_which_frames_were_seen_is_kept(mio: Mio) -> None:
    video = Video(sorted(sample_data().glob("msvd_qa/video/*"))[0])
    settings = {"frames": "uniform:2", "max_new_tokens": 100}
    request = Request("1", (video, Text("What is done?")), "text", settings, 0, "key")
    (response,) = mio.generate([replace(request, prepared=mio.prepare(request))])
    assert response.failure is None
    frames = load_frames(video, parse_policy("uniform:2"))
    assert response.details == {
        "frames": {"policy": "uniform:2", "indices": frames.indices, "total": frames.total}
    }
    # A likelihood is asked after the same frames: those that were prepared.
    asked = LoglikelihoodRequest("", " a dog", request.parts, prepared=mio.prepare(request))
    prompt = mio._language._item(0, asked).prompt
    assert prompt.text.count("<image>") == 2
    (scored,) = mio.loglikelihood([asked])
    assert scored.failure is None
    assert scored.tokens


def test_sampled_answers_do_not_depend_on_their_batch(mio: Mio) -> None:
    settings = {"max_new_tokens": 30, "do_sample": True, "temperature": 8.0}
    requests = [
        Request(str(n), (Text("word " * (n + 1)),), "text", settings, 0, f"key {n}")
        for n in range(4)
    ]

    def said(asked: list[Request]) -> dict[str, str]:
        found = list(mio._language.generate(asked))
        return {response.sample_id: response.output.text for response in found}

    together = said(requests)
    assert len(set(together.values())) == 4
    assert said(requests[::-1]) == together
    assert said(requests[2:3]) == {"2": together["2"]}


def test_a_prompt_in_tokens_comes_back(mio: Mio) -> None:
    tokenizer = mio._language.tokenizer
    text = image_text(image_codes()) + speech_text(speech_codes())
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == 34 + 2 + 4 * len(speech_codes()[0])
    again = tokenizer.decode(ids, skip_special_tokens=False)
    assert "".join(again.split()) == text


@pytest.mark.parametrize(
    ("broken", "want", "reason"),
    [
        ("short image", "image", "the image has 31 tokens, expected 32"),
        ("short speech", "audio", "timbre2 11; expected four of equal length"),
        ("no end", "image", "no </image> after <image>: the output ended after"),
        ("no end", "audio", "no <spch> in the output"),
    ],
)
def test_a_malformed_output_fails_its_sample_alone(
    tmp_path: Path, broken: str, want: str, reason: str
) -> None:
    backend = create_model("mio", {"pretrained": str(write_release(tmp_path / "m", broken=broken))})
    backend.load((), want)
    requests = [
        Request(str(n), (Text(text),), want, {"max_new_tokens": 100}, 0, str(n))
        for n, text in enumerate(["one", "another", "a third one"])
    ]
    found = list(backend.generate(requests))
    assert sorted(response.sample_id for response in found) == ["0", "1", "2"]
    for response in found:
        assert response.output is None
        assert response.failure is not None
        assert response.failure.stage == "generate"
        assert reason in response.failure.message


def test_a_run_ends_with_scores(release: Path, tmp_path: Path) -> None:
    result = evaluate(
        Options(
            tasks=("vqav2",),
            model="mio",
            model_args={"pretrained": str(release)},
            data="sample",
            limit=3,
            out=str(tmp_path),
        )
    )
    assert not result.failed
    assert result.data["model"]["backend"] == "mio"
    assert result.data["tasks"]["vqav2"]["prompt_style"] == "mio-instruct"
    assert result.scores["vqav2"]["vqa_acc"]["n_scored"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs pretrained"),
        ({"pretrained": "x", "resize": "nearest"}, "resize of model mio"),
        ({"pretrained": "x", "colour": "red"}, "argument of model mio"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model("mio", arguments)


def test_a_tokenizer_without_media_tokens_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "m")
    inner = json.loads((folder / "tokenizer.json").read_text())
    inner["added_tokens"] = [t for t in inner["added_tokens"] if t["content"] != "<spch>"]
    (folder / "tokenizer.json").write_text(json.dumps(inner))
    with pytest.raises(UsageError, match="the tokenizer has no <spch>"):
        create_model("mio", {"pretrained": str(folder)}).load((), "text")


def test_what_does_not_fit_is_not_loaded(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mio_eval.models.mio import memory

    monkeypatch.setattr(memory, "free_memory", lambda device: 1e5)
    backend = create_model("mio", {"pretrained": str(release), "device": "cpu"})
    with pytest.raises(UsageError, match="dtype=float16"):
        backend.load((), "image")


def test_decoding_presets_replace_the_tasks_settings(release: Path) -> None:
    from mio_eval.models.mio.presets import settings

    task = {"num_beams": 5, "max_new_tokens": 16, "temperature": 0.3}
    assert settings("task", "text", task) == task
    assert settings("paper", "image", task) == {
        "max_new_tokens": 16,
        "num_beams": 1,
        "do_sample": True,
        "top_p": 0.7,
        "temperature": 1.0,
        "repetition_penalty": 1.0,
    }
    assert settings("release", "image", {})["repetition_penalty"] == 1.15
    assert settings("release", "image", {})["num_beams"] == 5
    assert settings("paper", "audio", {})["max_new_tokens"] >= 200 * 15

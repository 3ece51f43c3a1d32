"""`--model mio` on a complete, small checkpoint: every modality in and out."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from models.mio.release import speech_codes, write_release
from models.token_llm.asking import ask, loaded, picture, sound
from models.token_llm.release import image_codes
from PIL import Image as Pillow
from reference.speech_tokenizer import wave

from mio_eval.engine import Options, evaluate
from mio_eval.media.frames import parse_policy
from mio_eval.media.video import load_frames
from mio_eval.models.loglikelihood import LoglikelihoodRequest
from mio_eval.models.mio.backend import Mio
from mio_eval.models.mio.presets import settings
from mio_eval.models.mio.tokens import IMAGE, speech_text
from mio_eval.shipped import sample_data
from mio_eval.types import Audio, Request, Text, Video


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("mio") / "MIO-tiny-Instruct")


@pytest.fixture(scope="module")
def mio(release: Path) -> Mio:
    return loaded("mio", release)


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
    media = f"See {IMAGE.write(codes[0].tolist())} hear {speech_text(said.tolist())}"
    assert f"user\n{media}<|im_end|>" in text
    ids = mio._language.tokenizer(text, add_special_tokens=False)["input_ids"]
    # One token for every token of a medium, not pieces of its name.
    tokens = mio._language.tokenizer.convert_ids_to_tokens(ids)
    assert sum(t.startswith("<img") for t in tokens) == 32
    assert sum(t.startswith("<spch") and t != "<spch>" for t in tokens) == said.shape[1]


def test_which_frames_were_seen_is_kept(mio: Mio) -> None:
    video = Video(sorted(sample_data().glob("msvd_qa/video/*"))[0])
    asked_for = {"frames": "uniform:2", "max_new_tokens": 100}
    request = Request("1", (video, Text("What is done?")), "text", asked_for, 0, "key")
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
    drawn = {"max_new_tokens": 30, "do_sample": True, "temperature": 8.0}
    requests = [
        Request(str(n), (Text("word " * (n + 1)),), "text", drawn, 0, f"key {n}") for n in range(4)
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
    text = IMAGE.write(image_codes()) + speech_text(speech_codes())
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == 34 + 2 + 4 * len(speech_codes()[0])
    again = tokenizer.decode(ids, skip_special_tokens=False)
    assert "".join(again.split()) == text


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


def test_the_releases_settings_are_its_own() -> None:
    assert settings("release", "image", {})["repetition_penalty"] == 1.15
    assert settings("release", "image", {})["num_beams"] == 5
    assert settings("paper", "audio", {})["max_new_tokens"] >= 200 * 15

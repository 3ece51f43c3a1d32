"""The starter backend: what it takes, what it loads, and whom it asks."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mio_eval.models import create_model
from mio_eval.models.loglikelihood import (
    LoglikelihoodRequest,
    LoglikelihoodResponse,
    loglikelihood_inputs,
    need_loglikelihood,
)
from mio_eval.models.starter import assets, backend
from mio_eval.models.starter.answers import words
from mio_eval.models.starter.backend import Starter
from mio_eval.types import Audio, Image, Request, Text, Video

PIL_Image = pytest.importorskip("PIL.Image")
soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

LABELS = ("great grey owl", "tabby cat", "teapot")


class FakeClassifier:
    labels = LABELS

    def __init__(self):
        self.pictures = []

    def probabilities(self, images):
        self.pictures += images
        return np.array([[0.8, 0.15, 0.05]] * len(images))


class FakeTranscriber:
    calls = 0

    def transcribe(self, samples):
        self.calls += 1
        return "the teapot is a teapot"


class FakeSpeaker:
    def synthesise(self, text):
        return np.full(2400, 0.5 if text == "hello" else 2.0, dtype=np.float32), 24_000


class FakeLanguage:
    def reply(self, text):
        return f"I am a reply to {text}"

    def loglikelihood(self, requests):
        return iter([LoglikelihoodResponse(-1.5, tokens=1) for _ in requests])


class FakeGenerator:
    def png(self, text, seed):
        return f"{text}|{seed}".encode()


@pytest.fixture
def starter():
    model = Starter()
    model._classifier = FakeClassifier()
    model._transcriber = FakeTranscriber()
    model._speaker = FakeSpeaker()
    model._generator = FakeGenerator()
    model._language = FakeLanguage()
    return model


@pytest.fixture(scope="module")
def picture():
    stream = io.BytesIO()
    PIL_Image.new("RGB", (32, 32), (220, 20, 20)).save(stream, "PNG")
    data = stream.getvalue()
    return Image(load=lambda: data, name="red.png")


@pytest.fixture(scope="module")
def sound():
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(1600, dtype=np.float32), 16_000, format="WAV")
    data = stream.getvalue()
    return Audio(load=lambda: data, name="s.wav")


def ask(model, *parts, want="text", seed=0):
    parts = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    return model.answer(Request("1", parts, want, seed=seed))


OPTIONS = "\nWhat is it?\nA. a bus\nB. {}\nC. a teapot\nAnswer with the letter."


def test_pictures(starter, picture):
    assert ask(starter, picture, "\nDescribe this image.").text == "a photo of a great grey owl"
    assert ask(starter, picture).text == "a photo of a great grey owl"
    assert ask(starter, picture, "\nWhat is it?\nAnswer with a word.").text == "owl"
    assert ask(starter, picture, "\nWhat color is it?").text == "red"
    assert ask(starter, picture, "\nIs it?").text == "yes"
    assert ask(starter, picture, OPTIONS.format("an owl")).text == "B"
    assert starter._transcriber.calls == 0


def test_sounds(starter, sound):
    assert ask(starter, sound, "\nTranscribe this speech.").text == "the teapot is a teapot"
    assert ask(starter, sound, OPTIONS.format("a car")).text == "C"


def test_pictures_and_sounds_together(starter, picture, sound):
    assert ask(starter, picture, "\n", sound, OPTIONS.format("two teapots")).text == "B"
    assert ask(starter, picture, "\n", sound, OPTIONS.format("a great grey owl")).text == "B"
    assert ask(starter, sound, picture, "Describe this image.").text.endswith("owl")


def test_the_middle_frame_of_a_video_is_seen(starter, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "colours.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(9):
            red, blue = (220, 20, 20), (20, 60, 200)
            image = PIL_Image.new("RGB", (64, 64), blue if number == 4 else red)
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    seen = ask(starter, Video(path), "\nWhat color is it?\nAnswer with a word.")
    assert seen.output.text == "blue"
    assert seen.details == {"frames": {"policy": "uniform:3", "indices": [4], "total": 9}}
    assert len(starter._classifier.pictures) == 1
    owl = ask(starter, Video(path), "\nwho is it\nAnswer with a single word.")
    assert owl.output.text == "owl"


def test_text_becomes_speech(starter):
    part = ask(starter, "hello", want="audio")
    assert isinstance(part, Audio)
    assert part.name == "speech.wav"
    with soundfile.SoundFile(io.BytesIO(part.read())) as file:
        assert (file.samplerate, file.subtype, file.frames) == (24_000, "PCM_16", 2400)
    loud, _ = soundfile.read(io.BytesIO(ask(starter, "loud", want="audio").read()))
    assert loud.min() > 0.99  # over full scale it is cut off, not wrapped round


def test_text_becomes_a_picture(starter):
    part = ask(starter, "a bus", want="image", seed=7)
    assert isinstance(part, Image)
    assert (part.name, part.read()) == ("face.png", b"a bus|7")


def test_text_alone(starter):
    text = "Which metal is a liquid?\nA. gold\nB. liquid mercury\nAnswer with the letter."
    assert ask(starter, text).text == "B"
    assert ask(starter, "Who are you?").text == "I am a reply to Who are you?"
    scored = list(starter.loglikelihood([LoglikelihoodRequest("a", " b")]))
    assert [response.logprob for response in scored] == [-1.5]
    assert need_loglikelihood(starter, "mmlu") is starter
    assert loglikelihood_inputs(starter) == {"text"}


@pytest.mark.parametrize("want", ["image", "audio", "video"])
def test_what_it_cannot_do_fails_the_sample(starter, picture, want):
    with pytest.raises(ValueError, match=f"does not turn image.text into {want}"):
        ask(starter, picture, "x", want=want)


def test_two_pictures_are_too_many(starter, picture):
    with pytest.raises(ValueError, match="got 2 and 0"):
        ask(starter, picture, picture, "What is it?")


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        ("image text", "text"),
        ("video text", "text"),
        ("audio text", "text"),
        ("image audio text", "text"),
        ("text", "audio"),
        ("text", "image"),
        ("text", "text"),
    ],
)
def test_capabilities(inputs, output):
    assert Starter().can(inputs.split(), output)


@pytest.mark.parametrize(
    ("inputs", "output"), [("image text", "image"), ("video audio", "text"), ("text", "video")]
)
def test_incapabilities(inputs, output):
    assert not Starter().can(inputs.split(), output)


@pytest.mark.parametrize(
    ("inputs", "output", "loaded"),
    [
        ("image text", "text", {"classifier"}),
        ("video text", "text", {"classifier"}),
        ("audio text", "text", {"transcriber"}),
        ("image audio text", "text", {"classifier", "transcriber"}),
        ("text", "audio", {"speaker"}),
        ("text", "image", {"generator"}),
        ("text", "text", {"language"}),
    ],
)
def test_only_what_a_task_needs_is_loaded(monkeypatch, inputs, output, loaded):
    seen = set()
    for part in ("classifier", "transcriber", "speaker", "generator", "language"):
        monkeypatch.setattr(Starter, f"_load_{part}", lambda self, part=part: seen.add(part))
    monkeypatch.setattr(backend, "_need", lambda module, purpose: None)
    Starter().load(inputs.split(), output)
    assert seen == loaded


def test_the_identity_names_every_weight_and_no_other(monkeypatch):
    before = Starter().identity().to_json()
    assert set(before["extra"]) == {
        *("whisper-tiny.en", "efficientnet-lite0", "face-gan", "smollm2-135m-instruct", "versions")
    }
    assert "gan-face-generate==1.1.1" in before["revision"]
    assert "hibari-tts==" in before["revision"]
    more = {**assets.ASSETS, "other": assets.ASSETS["face-gan"]}
    monkeypatch.setattr(backend, "ASSETS", more)
    assert Starter().identity().to_json() == before


def test_the_identity_follows_the_libraries_that_run_the_weights(monkeypatch):
    """Int8 kernels of another release may hear another word: the cache must not mix them."""
    before = Starter().identity().to_json()
    monkeypatch.setattr(backend.metadata, "version", lambda package: "0")
    after = Starter().identity().to_json()
    assert set(after["extra"]["versions"].values()) == {"0"}
    assert before["extra"]["versions"] != after["extra"]["versions"]


def test_a_missing_package_is_named():
    with pytest.raises(backend.UsageError, match=r"needs no_such_module for x.*pip install"):
        backend._need("no_such_module", "x")


@pytest.mark.starter
def test_the_real_generator_answers():
    pytest.importorskip("torch")
    model = create_model("starter", {})
    model.load(["text"], "image")
    part = ask(model, "a cat on a mat", want="image")
    assert PIL_Image.open(io.BytesIO(part.read())).size == (64, 64)
    assert part.sha256 == ask(model, "a cat on a mat", want="image").sha256
    model.close()


@pytest.mark.starter
def test_real_speech_is_understood():
    pytest.importorskip("hibari")
    pytest.importorskip("faster_whisper")
    model = create_model("starter", {})
    speech = ask(model, "The old man walked slowly along the river bank.", want="audio")
    heard = words(ask(model, speech, "Transcribe this speech.").text)
    assert len(heard & {"old", "man", "walked", "slowly", "along", "river", "bank"}) >= 4


@pytest.mark.starter
def test_a_real_picture_is_answered():
    pytest.importorskip("torch")
    model = create_model("starter", {})
    stream = io.BytesIO()
    PIL_Image.new("RGB", (64, 64), (20, 60, 200)).save(stream, "PNG")
    picture = Image(load=stream.getvalue, name="blue.png")
    assert ask(model, picture, "What color is it?").text == "blue"
    assert ask(model, picture, "Describe this image.").text.startswith("a photo of ")

"""What is sent: media, settings and prompts, as the server gets them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from media.clips import number_in, numbered, write_clip
from models.openai.faulty_server import FaultyServer, picture, tone
from PIL import Image as Pillow

from mio_eval.errors import UsageError
from mio_eval.models.hf import settings as generation
from mio_eval.models.openai.calls import make_call, not_sent
from mio_eval.models.openai.options import Options, parse_options
from mio_eval.types import Audio, Image, Modality, Part, Request, Text, Video


def options(**given: str) -> Options:
    return parse_options({"model": "m", "base_url": "http://localhost:1/v1", **given})


def body(*parts: Part, want: Modality = "text", settings: Any = None, **given: str) -> Any:
    request = Request("1", parts, want, settings or {}, seed=5)
    return json.loads(make_call(request, options(**given)).body)


def content(*parts: Part, **given: Any) -> Any:
    return body(*parts, **given)["messages"][0]["content"]


def of_url(part: Any, mime: str) -> bytes:
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == f"data:{mime};base64"
    return base64.b64decode(data, validate=True)


def test_parts_keep_their_order() -> None:
    image = Image(load=picture, name="a.png")
    sent = content(Text("before"), image, Text("after"))
    assert [part["type"] for part in sent] == ["text", "image_url", "text"]
    assert (sent[0]["text"], sent[2]["text"]) == ("before", "after")
    assert content(Text("alone")) == "alone"


@pytest.mark.parametrize(("kind", "mime"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
def test_an_image_is_sent_byte_for_byte(kind: str, mime: str) -> None:
    data = picture(kind)
    (part,) = content(Image(load=lambda: data, name="x"), detail="low")
    assert of_url(part, f"image/{mime}") == data
    assert part["image_url"]["detail"] == "low"


def test_an_image_that_servers_read_differently_is_sent_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = picture("JPEG", exif=exif)
    (part,) = content(Image(load=lambda: turned, name="x"))
    sent = Pillow.open(io.BytesIO(of_url(part, "image/png")))
    stored = Pillow.open(io.BytesIO(turned)).convert("RGB")
    assert sent.size == (24, 32)
    assert np.array_equal(np.asarray(sent), np.rot90(np.asarray(stored), -1))
    grey = io.BytesIO()
    Pillow.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(grey, "PNG")
    (part,) = content(Image(load=grey.getvalue, name="x"))
    pixels = np.asarray(Pillow.open(io.BytesIO(of_url(part, "image/png"))))
    assert (pixels == 128).all()
    gif = picture("GIF")
    (part,) = content(Image(load=lambda: gif, name="x.gif"))
    of_url(part, "image/png")


def test_a_damaged_image_is_not_sent() -> None:
    from mio_eval.media.decode import DecodeError

    with pytest.raises(DecodeError):
        content(Image(load=lambda: picture()[:200], name="x"))


def test_wav_is_sent_as_it_is_and_flac_as_the_same_samples() -> None:
    wav = tone()
    (part,) = content(Audio(load=lambda: wav, name="x.wav"))
    assert part["type"] == "input_audio"
    assert part["input_audio"]["format"] == "wav"
    assert base64.b64decode(part["input_audio"]["data"]) == wav
    samples = np.random.default_rng(0).integers(-9000, 9000, 2205).astype(np.int16)
    flac = io.BytesIO()
    soundfile.write(flac, samples, 22_050, format="FLAC", subtype="PCM_16")
    (part,) = content(Audio(load=flac.getvalue, name="x.flac"))
    data = base64.b64decode(part["input_audio"]["data"])
    heard, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate == 22_050
    assert np.abs(heard.astype(int) - samples).max() <= 1
    assert part["input_audio"]["format"] == "wav"


def test_video_goes_as_the_frames_of_the_tasks_policy(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", [numbered(index) for index in range(25)])
    video = Video(path)
    sent = content(video, Text("what?"), settings={"frames": "uniform:3"})
    assert [part["type"] for part in sent] == ["image_url"] * 3 + ["text"]
    shown = [Pillow.open(io.BytesIO(of_url(part, "image/jpeg"))) for part in sent[:3]]
    assert [number_in(frame) for frame in shown] == [0, 12, 24]
    assert len(content(video)) == 8
    assert len(content(video, frames="uniform:2")) == 2
    (whole,) = content(video, video="file")
    head, _, data = whole["video_url"]["url"].partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(data) == path.read_bytes()


def test_local_files_can_be_sent_by_address(tmp_path: Path) -> None:
    image, sound = tmp_path / "a b.png", tmp_path / "c.wav"
    image.write_bytes(picture())
    sound.write_bytes(tone())
    sent = content(Image(image), Audio(sound), media="url")
    assert sent[0]["image_url"]["url"] == f"file://{tmp_path}/a%20b.png"
    assert sent[1] == {"type": "audio_url", "audio_url": {"url": f"file://{tmp_path}/c.wav"}}


def test_settings_become_parameters() -> None:
    greedy = {"max_new_tokens": 16, "num_beams": 5, "do_sample": False, "temperature": 1.0}
    sent = body(Text("x"), settings=greedy)
    assert {k: sent[k] for k in ("max_tokens", "temperature", "seed")} == {
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 5,
    }
    assert "num_beams" not in sent
    sampled = {"do_sample": True, "top_p": 0.7, "temperature": 0.9, "repetition_penalty": 1.15}
    sent = body(Text("x"), settings={**sampled, "stop": ["\n"]})
    assert (sent["temperature"], sent["top_p"], sent["stop"]) == (0.9, 0.7, ["\n"])
    assert "repetition_penalty" not in sent
    assert body(Text("x"), settings=sampled, extensions="on")["repetition_penalty"] == 1.15
    sent = body(Text("x"), settings=greedy, temperature="server", max_tokens="server")
    assert not {"temperature", "max_tokens"} & sent.keys()
    assert "seed" not in body(Text("x"), settings=greedy, seed="off")
    sent = body(Text("x"), settings=greedy, temperature="0.3", max_tokens="999")
    assert (sent["temperature"], sent["max_tokens"]) == (0.3, 999)


def test_one_stop_string_is_not_taken_apart() -> None:
    assert body(Text("x"), settings={"stop": "</s>"})["stop"] == ["</s>"]


@pytest.mark.parametrize(
    ("settings", "temperature"),
    [
        ({}, 0.0),
        ({"temperature": 0.7}, 0.7),
        ({"temperature": 0.7, "do_sample": False}, 0.0),
        ({"temperature": 0, "do_sample": True}, 0.0),
        ({"do_sample": True}, 1.0),
    ],
)
def test_whether_is_sampled_is_decided_as_by_other_backends(
    settings: dict[str, Any], temperature: float
) -> None:
    assert generation.arguments(settings)["do_sample"] == (temperature > 0)
    assert body(Text("x"), settings=settings)["temperature"] == temperature
    request = Request("1", (Audio(load=tone, name="x.wav"),), "text", settings)
    call = make_call(request, options(api="transcriptions"))
    assert float(call.form["temperature"]) == temperature


def test_what_the_api_cannot_take_is_told() -> None:
    asked = {
        **{"do_sample": True, "temperature": 1.0, "top_p": 0.7, "num_beams": 1, "top_k": 50},
        **{"min_p": 0.1, "length_penalty": 2.0, "repetition_penalty": 1.15, "frames": "uniform:8"},
    }

    def told(settings: dict[str, Any], **given: str) -> list[str]:
        return [line.partition("=")[0] for line in not_sent("chat", settings, options(**given))]

    assert told(asked) == ["repetition_penalty", "length_penalty", "top_k", "min_p"]
    assert told({**asked, "do_sample": False}, extensions="on") == ["length_penalty"]
    assert "top_p" in told(asked, temperature="server")
    assert "frames" in told(asked, video="file")
    assert told({"num_beams": 5}) == ["num_beams"]


def test_openais_own_service_has_a_name_of_its_own_for_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = body(Text("x"), settings={"max_new_tokens": 7}, base_url="https://api.openai.com/v1")
    assert sent["max_completion_tokens"] == 7
    assert "max_tokens" not in sent


def test_lone_surrogates_do_no_harm() -> None:
    assert content(Text("a\ud800b")) == "a\ud800b"


def test_each_api_has_its_own_body() -> None:
    assert body(Text("say"), want="audio", voice="v") == {
        "model": "m",
        "input": "say",
        "voice": "v",
        "response_format": "wav",
    }
    assert body(Text("draw"), want="image", size="64x64") == {
        "model": "m",
        "prompt": "draw",
        "n": 1,
        "size": "64x64",
        "response_format": "b64_json",
    }
    assert "response_format" not in body(Text("draw"), want="image", model="gpt-image-1")
    spoken = body(Image(load=picture, name="x"), want="audio", voice="v")
    assert spoken["modalities"] == ["text", "audio"]
    assert spoken["audio"] == {"voice": "v", "format": "wav"}
    sent = body(Text("once"), api="completions", logprobs="on")
    assert (sent["prompt"], sent["logprobs"]) == ("once", 1)


def test_a_transcription_needs_one_sound() -> None:
    request = Request("1", (Text("transcribe"),), "text")
    with pytest.raises(ValueError, match="one sound"):
        make_call(request, options(api="transcriptions"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"model": ""}, "needs the name of the model"),
        ({"base_url": "localhost:8000"}, "expected http"),
        ({"base_url": "https://user:pw-1234@host/v1"}, "credentials"),
        ({"base_url": "https://pw-1234@host/v1"}, "credentials"),
        ({"base_url": "https://host/v1?api_key=pw-1234"}, "query"),
        ({"base_url": "https://host:port/v1"}, "no valid address"),
        ({"key_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE, but that environment variable"),
        ({"api": "responses"}, "api of model openai"),
        ({"max_concurrency": "0"}, "from 1 up"),
        ({"timeout": "-1"}, "seconds above 0"),
        ({"timeout": "nan"}, "expected a number"),
        ({"price_in": "-2"}, "0 or more"),
        ({"frames": "every"}, "frame policy"),
        ({"retries": "many"}, "whole number"),
    ],
)
def test_wrong_arguments_are_refused(given: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(**given)
    assert expected in str(caught.value)
    assert "pw-1234" not in str(caught.value)


def test_the_key_comes_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "other-key-0123456789")
    assert options(key_env="OTHER").key.reveal() == "other-key-0123456789"
    monkeypatch.setenv("OTHER", "two words-0123456789")
    with pytest.raises(UsageError, match="OTHER holds is no API key") as caught:
        options(key_env="OTHER")
    assert "0123456789" not in str(caught.value)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert not options().key
    with pytest.raises(UsageError, match="needs a key; set OPENAI_API_KEY"):
        parse_options({"model": "gpt"})


def test_the_key_is_neither_in_the_identity_nor_in_a_repr(backend: Callable[..., Any]) -> None:
    made = backend()
    for text in (repr(made.options), str(made.identity().to_json()), repr(made.options.key)):
        assert made.options.key.reveal() not in text
    extra = made.identity().extra
    assert extra["server"] == made.options.base_url
    assert made.identity().name == "test-model"


def test_the_identity_follows_what_changes_an_answer(server: FaultyServer) -> None:
    base = {"model": "m", "base_url": server.url}

    def of(**given: str) -> Any:
        return parse_options({**base, **given}).identity()

    changing = {
        "voice": "a",
        "temperature": "0.5",
        "detail": "low",
        "max_tokens": "5",
        "api": "chat",
    }
    for name, value in changing.items():
        assert of(**{name: value}) != of(), name
    for name, value in {"max_concurrency": "3", "retries": "1", "timeout": "5"}.items():
        assert of(**{name: value}) == of(), name

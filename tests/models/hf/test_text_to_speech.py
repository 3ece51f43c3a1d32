"""Text to speech against direct calls of transformers, on tiny models of the real classes."""

from __future__ import annotations

import io
import json
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
soundfile = pytest.importorskip("soundfile")

from models.hf import tiny_voices as tiny  # noqa: E402
from models.hf.asking import (  # noqa: E402
    drawn_or_spoken,
    failure,
    made_family,
    opened_family,
    outputs,
)
from models.hf.tiny_speech import write_whisper  # noqa: E402

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.base import OutOfMemory  # noqa: E402
from mio_eval.models.hf.checkpoint import read_checkpoint  # noqa: E402
from mio_eval.models.hf.family import LoadOptions  # noqa: E402
from mio_eval.models.hf.settings import request_seed  # noqa: E402
from mio_eval.models.hf.text_to_speech import TextToSpeech  # noqa: E402
from mio_eval.models.hf.voices import AnyVoice, read_vector  # noqa: E402
from mio_eval.models.hf.waves import wav_file  # noqa: E402
from mio_eval.types import Audio, Request, Text  # noqa: E402

# What the tasks say of token generation; no voice may take it for its own.
TASK = {"max_new_tokens": 3000, "do_sample": True, "top_p": 0.7, "repetition_penalty": 1.15}
STEP = 1 / 32768  # of a 16-bit sample


make = partial(made_family, TextToSpeech)
open_family = partial(opened_family, TextToSpeech)


def ask(text: str, name: str = "x", seed: int = 0) -> Request:
    return Request(name, (Text(text),), "audio", TASK, seed, key=f"{text}/{seed}")


def spoken(family: TextToSpeech, requests) -> dict[str, tuple[np.ndarray, int]]:
    found = {}
    for name, output in outputs(family, requests).items():
        assert isinstance(output, Audio)
        found[name] = soundfile.read(io.BytesIO(output.read()))
    return found


def same(wave: np.ndarray, expected: torch.Tensor) -> None:
    expected = expected.detach().numpy().reshape(-1)
    assert np.ptp(expected) > 100 * STEP
    np.testing.assert_allclose(wave, np.clip(expected, -1, 1), atol=STEP)


@pytest.fixture(scope="module")
def vits_folder(tmp_path_factory):
    return tiny.write_vits(tmp_path_factory.mktemp("vits"))


@pytest.fixture(scope="module")
def vits(vits_folder):
    return open_family(vits_folder)


@pytest.fixture(scope="module")
def speecht5_folder(tmp_path_factory):
    pytest.importorskip("sentencepiece")
    return tiny.write_speecht5(tmp_path_factory.mktemp("speecht5"))


@pytest.fixture(scope="module")
def bark_folder(tmp_path_factory):
    return tiny.write_bark(tmp_path_factory.mktemp("bark"))


def test_vits_says_what_transformers_says(vits, vits_folder):
    request = ask("The cat sat.", seed=5)
    model = transformers.VitsModel.from_pretrained(vits_folder).eval()
    inputs = transformers.VitsTokenizer.from_pretrained(vits_folder)("The cat sat.")
    torch.manual_seed(request_seed(request))
    with torch.no_grad():
        expected = model(
            input_ids=torch.tensor([inputs.input_ids]),
            attention_mask=torch.tensor([inputs.attention_mask]),
        ).waveform
    wave, rate = spoken(vits, [request])["x"]
    assert rate == 16_000
    same(wave, expected)


def test_a_seed_fixes_a_waveform_whatever_its_neighbours(vits):
    texts = ["the cat", "a much longer text is spoken here", "dogs", "the lake"]
    requests = [ask(text, text) for text in texts]
    first = spoken(vits, requests)
    torch.manual_seed(99)
    again = spoken(vits, requests[::-1])
    for text in texts:
        np.testing.assert_array_equal(first[text][0], again[text][0])
        np.testing.assert_array_equal(spoken(vits, [ask(text, text)])[text][0], first[text][0])
    other = spoken(vits, [ask("the cat", seed=1)])["x"][0]
    assert other.shape != first["the cat"][0].shape or (other != first["the cat"][0]).any()


def test_speaking_leaves_torchs_generator_as_it_was(vits):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    spoken(vits, [ask("the cat")])
    assert torch.equal(torch.rand(3), expected)


def test_noise_and_rate_of_vits(vits_folder):
    quiet = {"noise_scale": "0", "noise_scale_duration": "0", "speaking_rate": "0.5"}
    family = open_family(vits_folder, **quiet)
    waves = [spoken(family, [ask("the cat", seed=seed)])["x"][0] for seed in (0, 1)]
    np.testing.assert_array_equal(*waves)
    assert waves[0].size > spoken(open_family(vits_folder), [ask("the cat")])["x"][0].size
    with pytest.raises(UsageError, match="from 0 up"):
        open_family(vits_folder, noise_scale="-1")
    with pytest.raises(UsageError, match="over 0"):
        open_family(vits_folder, speaking_rate="0")


def test_a_text_without_a_letter_the_model_knows_fails(vits):
    assert "no letter" in failure(vits, ask("12 34!")).message
    assert "empty" in failure(vits, ask("  \n")).message
    sound = Request("x", (Text("hi"), Audio(load=bytes)), "audio")
    assert "reads text alone, got audio" in failure(vits, sound).message


def test_a_model_of_several_speakers_wants_one_named(tmp_path):
    folder = tiny.write_vits(tmp_path / "vits", speakers=3)
    for extra in ({}, {"speaker": "3"}, {"speaker": "anna"}):
        with pytest.raises(UsageError, match=r"3 speakers: name one with speaker=0 to speaker=2"):
            open_family(folder, **extra)
    waves = [spoken(open_family(folder, speaker=n), [ask("the cat")])["x"][0] for n in "02"]
    assert waves[0].shape != waves[1].shape or (waves[0] != waves[1]).any()


def test_one_speaker_takes_no_number(vits_folder):
    with pytest.raises(UsageError, match="one speaker"):
        open_family(vits_folder, speaker="0")


def test_a_tokenizer_that_lacks_its_package_is_refused_before_the_first_text(tmp_path):
    for setting, package in (("phonemize", "phonemizer"), ("is_uroman", "uroman")):
        folder = tiny.write_vits(tmp_path / package, **{setting: True})
        try:
            __import__(package)
        except ImportError:
            with pytest.raises(UsageError, match=package):
                open_family(folder)


def speecht5(folder: Path, voice: Path | None = None, **extra: str) -> dict[str, str]:
    return {
        "speaker_embedding": str(voice or folder / "voice.npy"),
        "vocoder": str(folder / "vocoder"),
        **extra,
    }


def direct_speecht5(folder: Path, request: Request) -> torch.Tensor:
    model = transformers.SpeechT5ForTextToSpeech.from_pretrained(folder).eval()
    vocoder = transformers.SpeechT5HifiGan.from_pretrained(folder / "vocoder").eval()
    tokenizer = transformers.SpeechT5Tokenizer.from_pretrained(folder)
    voice = torch.from_numpy(np.load(folder / "voice.npy"))[None]
    torch.manual_seed(request_seed(request))
    inputs = tokenizer(request.parts[0].text, return_tensors="pt")
    with torch.no_grad():
        return model.generate_speech(inputs.input_ids, voice, vocoder=vocoder)


def test_speecht5_says_what_transformers_says(speecht5_folder):
    request = ask("the quick fox")
    expected = direct_speecht5(speecht5_folder, request)
    family = open_family(speecht5_folder, **speecht5(speecht5_folder))
    wave, rate = spoken(family, [ask("a dog", "first"), request])["x"]
    assert rate == 16_000
    same(wave, expected)
    assert (
        "63 tokens, the model reads at most 60" in failure(family, ask("over " * 12 + "x")).message
    )


def test_speecht5_needs_a_voice_of_its_own_size(speecht5_folder, tmp_path):
    with pytest.raises(UsageError, match="give speaker_embedding=FILE"):
        make(speecht5_folder)
    with pytest.raises(UsageError, match="no such file"):
        make(speecht5_folder, speaker_embedding=str(tmp_path / "none.npy"))
    np.save(tmp_path / "small.npy", np.zeros(5, np.float32))
    with pytest.raises(UsageError, match=r"holds \(5,\); the model's .* are \(12,\)"):
        open_family(speecht5_folder, **speecht5(speecht5_folder, tmp_path / "small.npy"))


def test_a_voice_may_lie_in_any_safe_file(tmp_path):
    from safetensors.torch import save_file

    vector = torch.arange(4, dtype=torch.float32)
    np.save(tmp_path / "v.npy", vector.double().numpy()[None])
    torch.save(vector, tmp_path / "v.pt")
    torch.save({"xvector": vector}, tmp_path / "named.pt")
    save_file({"xvector": vector}, tmp_path / "v.safetensors")
    for name in ("v.npy", "v.pt", "named.pt", "v.safetensors"):
        assert torch.equal(read_vector(tmp_path / name, 4), vector)


class Evil:
    def __reduce__(self):
        return (Path("evil").touch, ())


def test_a_voice_is_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    Path("v.pt").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), "w.pt")
    for name in ("v.npy", "v.pt", "w.pt"):
        with pytest.raises(UsageError, match="cannot read"):
            read_vector(Path(name), 1)
    assert not Path("evil").exists()
    Path("v.txt").write_text("1 2 3")
    with pytest.raises(UsageError, match=r"expected a \.npy, \.safetensors or \.pt file"):
        read_vector(Path("v.txt"), 3)


def direct_bark(folder: Path, request: Request, preset: str | None = None) -> torch.Tensor:
    model = transformers.BarkModel.from_pretrained(folder).eval()
    processor = transformers.BarkProcessor.from_pretrained(folder)
    inputs = processor(request.parts[0].text, voice_preset=preset, max_length=16)
    torch.manual_seed(request_seed(request))
    with torch.no_grad():
        return model.generate(**inputs)[0]


@pytest.mark.parametrize("voice", ["", "v2/alto", "alto.npz"])
def test_bark_says_what_transformers_says(bark_folder, voice):
    request = ask("the cat sat")
    preset = str(bark_folder / voice) if voice.endswith(".npz") else voice or None
    expected = direct_bark(bark_folder, request, preset)
    family = open_family(bark_folder, **({"voice": preset} if preset else {}))
    wave, rate = spoken(family, [ask("a dog ran", "first"), request])["x"]
    assert rate == 24_000
    same(wave, expected)


def test_bark_refuses_what_it_would_cut_and_voices_it_has_not(bark_folder):
    long = "the cat sat " * 6
    assert (
        "18 tokens, the model reads at most 16"
        in failure(open_family(bark_folder), ask(long)).message
    )
    with pytest.raises(UsageError, match=r"voice=v2/bass: no preset of .* \(it has v2/alto\)"):
        open_family(bark_folder, voice="v2/bass")


def test_other_models_speak_through_transformers_pipeline(vits_folder):
    voice = AnyVoice(read_checkpoint(str(vits_folder), None), LoadOptions(device="cpu"))
    voice.load()
    pipeline = transformers.pipeline("text-to-audio", str(vits_folder), device="cpu")
    torch.manual_seed(3)
    expected = pipeline("the cat sat")
    torch.manual_seed(3)
    with torch.inference_mode():
        wave, rate = voice.speak("the cat sat")
    assert rate == expected["sampling_rate"]
    assert np.ptp(wave) > 0
    np.testing.assert_array_equal(wave, expected["audio"])


def test_a_model_that_does_not_say_how_long_it_speaks_wants_a_limit(bark_folder):
    voice = AnyVoice(read_checkpoint(str(bark_folder), None), LoadOptions(device="cpu"))
    with pytest.raises(UsageError, match="give max_new_tokens"):
        voice.load()


def test_an_argument_of_another_architecture_is_refused(vits_folder, bark_folder):
    with pytest.raises(UsageError, match="unknown argument of a vits model 'voice'"):
        make(vits_folder, voice="v2/alto")
    with pytest.raises(UsageError, match="unknown argument of a bark model 'speaker'"):
        make(bark_folder, speaker="1")


def test_what_changes_a_voice_is_in_the_identity(vits_folder, speecht5_folder, tmp_path):
    said = {
        json.dumps(make(vits_folder, **extra).identity(), sort_keys=True)
        for extra in ({}, {"noise_scale": "0.1"}, {"speaking_rate": "2"})
    }
    assert len(said) == 3
    np.save(tmp_path / "other.npy", np.ones(12, np.float32))
    first = make(speecht5_folder, **speecht5(speecht5_folder)).identity()
    other = make(speecht5_folder, **speecht5(speecht5_folder, tmp_path / "other.npy")).identity()
    assert first["vocoder"] == other["vocoder"]
    assert first["speaker_embedding"] != other["speaker_embedding"]
    assert str(tmp_path) not in json.dumps(other)


def test_running_out_of_memory_is_not_a_failed_sample(vits, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(vits._voice.model, "forward", full)
    with pytest.raises(OutOfMemory):
        list(vits.generate([ask("the cat")]))


def test_strange_samples_fail():
    for samples, message in (
        (np.zeros(0), "no samples"),
        (np.array([0.0, np.nan]), "not finite"),
        (np.zeros((2, 5)), "one channel"),
    ):
        with pytest.raises(ValueError, match=message):
            wav_file(samples, 16_000)
    loud = soundfile.read(io.BytesIO(wav_file(np.array([[2.0, -3.0, 0.5]]), 8000).read()))
    np.testing.assert_allclose(loud[0], [1, -1, 0.5], atol=2 * STEP)
    assert loud[1] == 8000


@pytest.mark.parametrize("kind", ["speecht5", "bark"])
def test_a_whole_run_says_what_transformers_says(kind, request, tmp_path):
    folder = request.getfixturevalue(f"{kind}_folder")
    judges = ("--judge", f"asr=hf/{write_whisper(tmp_path / 'judge')}", "--judge", "speaker=none")
    extra = speecht5(folder) if kind == "speecht5" else {}
    direct = direct_speecht5 if kind == "speecht5" else direct_bark
    for asked, path in drawn_or_spoken(folder, "vctk_tts", tmp_path / "runs", *judges, **extra):
        wave, _ = soundfile.read(path)
        same(wave, direct(folder, asked))

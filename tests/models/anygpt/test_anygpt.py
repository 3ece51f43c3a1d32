"""`--model anygpt` on a complete, small checkpoint: every modality in and out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from models.anygpt.release import write_release
from models.token_llm.asking import SEED, ask, loaded, picture, sound
from models.token_llm.release import speech_codes, write_language
from PIL import Image as Pillow
from reference.slow_tokenizer import ADDED, PROMPTS, write_tokenizer
from reference.speech_tokenizer import wave

from mio_eval.cli import main
from mio_eval.engine import Options, evaluate
from mio_eval.errors import UsageError
from mio_eval.models import create_model
from mio_eval.models.anygpt.backend import AnyGpt
from mio_eval.models.anygpt.presets import settings
from mio_eval.models.anygpt.tokens import IMAGE, SPEECH
from mio_eval.models.hf.inputs import Prompt
from mio_eval.types import Audio, Request, Text

SLOW = Path(__file__).parents[2] / "golden" / "anygpt" / "slow_tokenizer"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("anygpt") / "AnyGPT-tiny-base")


@pytest.fixture(scope="module")
def anygpt(release: Path) -> AnyGpt:
    return loaded("anygpt", release)


@pytest.mark.parametrize("voiced", [False, True])
def test_speech_comes_out_in_the_given_voice(anygpt: AnyGpt, voiced: bool) -> None:
    given = (sound(), Text("Hello")) if voiced else (Text("Hello"),)
    output = ask(anygpt, "audio", *given)
    assert isinstance(output, Audio)
    heard, rate = soundfile.read(io.BytesIO(output.read()), dtype="float32")
    parts = anygpt._parts
    voice = parts.speech.encode(wave(8000)) if voiced else None
    codes = parts.soundstorm.fill(speech_codes(), voice, seed=SEED)
    assert codes[0].tolist() == speech_codes()
    assert rate == 16000
    np.testing.assert_allclose(heard, np.clip(parts.speech.decode(codes), -1, 1), atol=1 / 32000)


def test_a_voice_changes_how_it_sounds(anygpt: AnyGpt) -> None:
    one = ask(anygpt, "audio", Text("Hello"))
    other = ask(anygpt, "audio", sound(), Text("Hello"))
    assert one.read() != other.read()


def test_media_become_tokens_in_their_place(anygpt: AnyGpt) -> None:
    parts, language = anygpt._parts, anygpt._language
    request = Request("1", (Text("See "), picture(), Text(" hear "), sound()), "text")
    text = language.read(request).text
    pixels = parts.images.pixels(Pillow.open(io.BytesIO(picture().read())), "bicubic")
    codes = parts.images.encode(pixels[None])[0].tolist()
    said = parts.speech.encode(wave(8000))[0].tolist()
    media = f"See {IMAGE.write(codes)} hear {SPEECH.write(said)}"
    assert text == f"[Human]: {media}<eoh>[MMGPT]: "
    ids = language.tokenizer(text)["input_ids"]
    # One token for every token of a medium, not pieces of its name.
    tokens = language.tokenizer.convert_ids_to_tokens(ids)
    assert tokens[0] == "<s>" or language.tokenizer.bos_token not in text
    assert sum(t.startswith("<👀") for t in tokens) == 32
    assert sum(t.startswith("<🗣️") for t in tokens) == len(said)
    assert {"[Human]", "<eoh>", "[MMGPT]"} <= set(tokens)


def test_the_voice_is_not_in_the_prompt(anygpt: AnyGpt) -> None:
    request = Request("1", (sound(), Text("Hello")), "audio")
    text = anygpt._language.read(request).text
    assert "<sosp>" not in text
    assert text.endswith(" This is input: Hello<eoh> [MMGPT]:")


def test_two_voices_fail_the_sample(anygpt: AnyGpt) -> None:
    request = Request("1", (sound(), sound(), Text("Hello")), "audio", {}, 0, "k")
    (response,) = anygpt.generate([request])
    assert response.failure is not None
    assert "one voice" in response.failure.message


def test_identity_names_every_choice(release: Path) -> None:
    plain = create_model("anygpt", {"pretrained": str(release)}).identity().to_json()
    assert plain["extra"]["instruction"]["image to text"] == "Describe the scene in this picture."
    assert set(plain["extra"]["parts"]) == {"images", "painter", "speech", "soundstorm"}
    for change in (
        {"instruction": "Say it."},
        {"vc_steps": "1"},
        {"vc": "sampled"},
        {"resize": "bilinear"},
        {"variant": "chat"},
        {"decoding": "paper"},
        {"soundstorm": str(release / "config.json")},
    ):
        other = create_model("anygpt", {"pretrained": str(release), **change}).identity()
        assert other.to_json() != plain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vc_steps": "0"}, "expected at least 1"),
        ({"vc_steps": "many"}, "expected a number"),
        ({"variant": "chat", "instruction": "Say it."}, "for the Base model"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    release: Path, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        create_model("anygpt", {"pretrained": str(release), **arguments})


def test_the_released_tokenizer_files_are_read_as_released(release: Path, tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path / "base", SLOW.with_suffix(".model"), "file")
    tokens = {token: 400 + number for number, token in enumerate(ADDED)}
    write_language(folder, tokens, ["<sosp>", "<🗣️7>", "<🗣️9>", "<eosp>", "<eos>"])
    backend = create_model("anygpt", {"pretrained": str(folder), "models": str(release)})
    backend.load((), "audio")
    ids = backend._language.encode([Prompt(PROMPTS[0])])["input_ids"][0].tolist()
    assert ids == json.loads(SLOW.with_suffix(".json").read_text())["file"][0]
    (response,) = backend.generate([Request("1", (Text("Hello"),), "audio", {}, 0, "key")])
    assert response.failure is None
    heard, _ = soundfile.read(io.BytesIO(response.output.read()))
    assert len(heard) == 2 * 320


def test_parts_may_lie_elsewhere_and_must_be_there(release: Path, tmp_path: Path) -> None:
    arguments = {"pretrained": str(release), "models": str(tmp_path)}
    with pytest.raises(UsageError, match=r"speechtokenizer.config\.json does not exist"):
        create_model("anygpt", arguments).load((), "audio")
    arguments["speech"] = str(release / "speechtokenizer")
    with pytest.raises(UsageError, match="give AnyGPT's SoundStorm file"):
        create_model("anygpt", arguments).load((), "audio")
    arguments["soundstorm"] = str(release / "soundstorm" / "speechtokenizer_soundstorm_mls.pt")
    create_model("anygpt", arguments).load((), "audio")


def test_the_releases_settings_are_its_own() -> None:
    task = {"num_beams": 5, "max_new_tokens": 16, "temperature": 0.3}
    assert settings("release", "audio", task)["repetition_penalty"] == 1.05
    assert settings("release", "audio", task)["max_new_tokens"] == 1500
    assert settings("release", "text", task)["num_beams"] == 1
    assert settings("release", "text", task, chat=True)["num_beams"] == 5


@pytest.mark.parametrize("decoding", ["paper", "release"])
@pytest.mark.parametrize("variant", ["base", "chat"])
def test_presets_are_settings_that_generation_takes(
    release: Path, decoding: str, variant: str
) -> None:
    arguments = {"pretrained": str(release), "decoding": decoding, "variant": variant}
    backend = create_model("anygpt", arguments)
    backend.load((), "text")
    assert isinstance(ask(backend, "text", Text("Hello")), Text)


@pytest.mark.starter
@pytest.mark.parametrize("variant", ["base", "chat"])
def test_runs_end_with_scores(release: Path, tmp_path: Path, variant: str) -> None:
    result = evaluate(
        Options(
            tasks=("coco_caption", "librispeech", "vctk_tts", "coco_t2i", "vqav2", "mmlu"),
            model="anygpt",
            model_args={"pretrained": str(release), "variant": variant, "steps": "2"},
            data="sample",
            limit=2,
            judges=("asr=starter", "speaker=starter", "clip=none", "aesthetic=none"),
            out=str(tmp_path),
        )
    )
    assert not result.failed
    assert result.data["model"]["backend"] == "anygpt"
    for name in ("coco_caption", "librispeech", "coco_t2i", "vctk_tts"):
        assert result.data["tasks"][name]["prompt_style"] == f"anygpt-{variant}"
    for name, scores in result.scores.items():
        assert scores
        for metric, score in scores.items():
            assert score["n_failed"] == 0, (name, metric)
            assert score["value"] is not None, (name, metric)


def write_vctk(root: Path) -> Path:
    """Write two speakers with two recordings each, as release 0.80 lays them out."""
    for speaker in ("p225", "p226"):
        (root / "vctk" / "txt" / speaker).mkdir(parents=True)
        (root / "vctk" / "wav48" / speaker).mkdir(parents=True)
        for number in ("001", "002"):
            name = f"{speaker}_{number}"
            (root / "vctk" / "txt" / speaker / f"{name}.txt").write_text("Please call Stella.\n")
            path = root / "vctk" / "wav48" / speaker / f"{name}.wav"
            soundfile.write(path, wave(64_000), 16_000)
    return root


@pytest.mark.starter
def test_a_run_in_given_voices_ends_with_scores(release: Path, tmp_path: Path) -> None:
    result = evaluate(
        Options(
            tasks=("vctk_tts_voice",),
            model="anygpt",
            model_args={"pretrained": str(release)},
            data_dir=str(write_vctk(tmp_path / "data")),
            judges=("asr=starter", "speaker=starter"),
            out=str(tmp_path / "runs"),
        )
    )
    assert not result.failed
    assert result.data["tasks"]["vctk_tts_voice"]["prompt_style"] == "anygpt-base"
    assert result.scores["vctk_tts_voice"]["wer"]["n_scored"] == 2


def test_the_command_line_runs_it(release: Path, tmp_path: Path) -> None:
    arguments = [
        *("run", "--tasks", "librispeech", "--model", "anygpt", "--data", "sample"),
        *("--model-args", f"pretrained={release},instruction=Please transcribe this speech."),
        *("--limit", "2", "--out", str(tmp_path)),
    ]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
    (run,) = tmp_path.glob("*/run.json")
    extra = json.loads(run.read_text())["model"]["extra"]
    assert extra["instruction"] == "Please transcribe this speech."

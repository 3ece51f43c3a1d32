"""Speech recognisers as judges: real architectures of tiny size against transformers itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from models.hf import tiny_speech  # noqa: E402
from models.hf.tiny_speech import RATE, tone  # noqa: E402

from mio_eval.annotators.asr_models import load_asr  # noqa: E402
from mio_eval.errors import UsageError  # noqa: E402

CLIP = Path(__file__).parents[1] / "golden" / "starter" / "librivox_austen_0930.flac"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sounds(*seconds: float) -> list[np.ndarray]:
    """Noise under a moving tone, another one for each length."""
    return [tone(length, index) for index, length in enumerate(seconds)]


def write_whisper(folder: Path, languages: Sequence[str] = ("en", "fr", "zh")) -> Path:
    """A tiny Whisper whose own settings are a beam search: the judge searches greedily."""
    return tiny_speech.write_whisper(folder, languages, length=40, max_length=24, num_beams=3)


def write_ctc(folder: Path) -> Path:
    return tiny_speech.write_ctc(folder, masked=False)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def ctc(tmp_path_factory):
    return write_ctc(tmp_path_factory.mktemp("ctc"))


def in_the_cache(monkeypatch, root: Path, hub_id: str, write) -> None:
    """Lay a model out as huggingface_hub caches it, with main at COMMIT, and go offline."""
    from huggingface_hub import constants

    store = root / f"models--{hub_id.replace('/', '--')}"
    write(store / "snapshots" / COMMIT)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_whisper_says_what_transformers_says(whisper):
    wave = sounds(2.0)[0]
    model = transformers.WhisperForConditionalGeneration.from_pretrained(whisper).eval()
    processor = transformers.WhisperProcessor.from_pretrained(whisper)
    features = processor(wave, sampling_rate=RATE, return_tensors="pt").input_features
    with torch.no_grad():
        tokens = model.generate(features, language="en", task="transcribe", num_beams=1)
    expected = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    assert expected
    assert load_asr(f"hf/{whisper}").transcribe([wave]) == [expected]


def test_a_batch_changes_no_transcript(whisper):
    waves = sounds(1.0, 2.5, 0.3, 4.0, 1.7)
    alone = load_asr(f"hf/{whisper}", batch=1).transcribe(waves)
    assert len(set(alone)) > 1
    for size in (2, 5):
        assert load_asr(f"hf/{whisper}", batch=size).transcribe(waves) == alone
    assert load_asr(f"hf/{whisper}", batch=5).transcribe(waves[::-1]) == alone[::-1]


def test_a_long_sound_is_read_window_by_window(whisper):
    short, long = sounds(2.0, 33.0)
    model = load_asr(f"hf/{whisper}", batch=4)
    together = model.transcribe([short, long, short])
    assert together == [model.transcribe([wave])[0] for wave in (short, long, short)]
    reference = transformers.WhisperForConditionalGeneration.from_pretrained(whisper).eval()
    processor = transformers.WhisperProcessor.from_pretrained(whisper)
    features = processor(
        long, sampling_rate=RATE, return_tensors="pt", truncation=False, padding="longest"
    ).input_features
    assert features.shape[-1] > 3000
    with torch.no_grad():
        tokens = reference.generate(
            features, language="en", task="transcribe", num_beams=1, return_timestamps=True
        )
    expected = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    assert together[1] == expected


def test_the_language_is_told_and_named(whisper):
    model = load_asr(f"hf/{whisper}", language="zh")
    assert model.identity == f"{load_asr(f'hf/{whisper}').identity}+lang-zh"
    with pytest.raises(UsageError, match="no language 'xx'; it has en, fr, zh"):
        load_asr(f"hf/{whisper}", language="xx")


def test_an_english_whisper_takes_no_language(tmp_path):
    folder = write_whisper(tmp_path, languages=())
    assert load_asr(f"hf/{folder}").transcribe(sounds(1.0))[0]
    with pytest.raises(UsageError, match="English only"):
        load_asr(f"hf/{folder}", language="fr")


def test_an_outdated_generation_config_is_refused(tmp_path):
    folder = write_whisper(tmp_path)
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text())
    del settings["lang_to_id"]
    path.write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="lang_to_id"):
        load_asr(f"hf/{folder}")


def test_ctc_says_what_transformers_says(ctc):
    waves = sounds(1.0, 2.0, 0.4)
    model = transformers.Wav2Vec2ForCTC.from_pretrained(ctc).eval()
    processor = transformers.Wav2Vec2Processor.from_pretrained(ctc)
    expected = []
    for wave in waves:
        inputs = processor(wave, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs).logits
        expected.append(processor.batch_decode(logits.argmax(dim=-1))[0].strip())
    assert len(set(expected)) == 3
    judge = load_asr(f"hf/{ctc}", batch=3)
    assert judge.transcribe(waves) == expected
    assert judge.transcribe(waves[::-1]) == expected[::-1]


def test_ctc_refuses_a_language_and_a_sound_below_one_frame(ctc):
    with pytest.raises(UsageError, match="takes no language"):
        load_asr(f"hf/{ctc}", language="fr")
    model = load_asr(f"hf/{ctc}")
    model.transcribe([np.ones(400, dtype=np.float32)])
    with pytest.raises(ValueError, match="399 samples, expected 400 or more"):
        model.transcribe([np.ones(399, dtype=np.float32)])


@pytest.mark.parametrize(
    ("wave", "problem"),
    [
        (np.zeros(0, dtype=np.float32), "no samples"),
        (np.zeros((2, 800), dtype=np.float32), "mono"),
        (np.zeros(800), "float32"),
        (np.full(800, np.nan, dtype=np.float32), "finite"),
    ],
)
def test_unusable_sounds_are_named(ctc, wave, problem):
    good = np.ones(800, dtype=np.float32)
    with pytest.raises(ValueError, match=rf"sound 1: .*{problem}"):
        load_asr(f"hf/{ctc}").transcribe([good, wave])


def test_a_folder_is_named_by_its_content(ctc, tmp_path):
    identity = load_asr(f"hf/{ctc}").identity
    assert identity.startswith("hf/local@sha256-")
    assert load_asr(f"hf/{write_ctc(tmp_path / 'Other Name|x')}").identity == identity
    assert load_asr(f"hf/{ctc}", dtype="bfloat16").identity == f"{identity}+bfloat16"
    with pytest.raises(UsageError, match="dtype 'int3'"):
        load_asr(f"hf/{ctc}", dtype="int3")


def test_a_cached_model_of_the_hub_is_named_by_its_commit(monkeypatch, tmp_path):
    in_the_cache(monkeypatch, tmp_path, "Acme/Tiny-CTC", write_ctc)
    for spec in ("hf/Acme/Tiny-CTC", "hf/Acme/Tiny-CTC@main", f"hf/Acme/Tiny-CTC@{COMMIT}"):
        model = load_asr(spec)
        assert model.identity == f"hf/acme/tiny-ctc@{COMMIT}"
    assert model.transcribe(sounds(1.0))[0]


@pytest.mark.parametrize("spec", ["hf/openai/whisper-medium", "faster-whisper/large-v3"])
def test_offline_a_missing_model_fails_at_once(monkeypatch, tmp_path, spec):
    if spec.startswith("faster"):
        pytest.importorskip("faster_whisper")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    started = time.monotonic()
    with pytest.raises(UsageError) as caught:
        load_asr(spec)
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert "\n" not in message
    assert spec.partition("/")[2] in message
    assert "judge asr" in message
    assert "--judge asr=starter" in message


def test_weights_that_are_missing_are_not_made_up(ctc, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_ctc(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"no trained Wav2Vec2ForCTC: it lacks lm_head\.weight"):
        load_asr(f"hf/{folder}")


def test_another_kind_of_model_is_refused(tmp_path):
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="is a bert model; supported: whisper"):
        load_asr(f"hf/{tmp_path}")


@pytest.mark.parametrize("spec", ["", "whisper", "hf", "hf/", "starter/x", "faster-whisper/"])
def test_unknown_names(spec):
    with pytest.raises(UsageError, match="unknown speech recogniser"):
        load_asr(spec)


def test_odd_requests(ctc):
    with pytest.raises(UsageError, match="no folder 'nowhere'"):
        load_asr("hf/nowhere")
    with pytest.raises(UsageError, match="device 'toaster'"):
        load_asr(f"hf/{ctc}", device="toaster")
    with pytest.raises(UsageError, match="takes no language"):
        load_asr("starter", language="fr")
    with pytest.raises(ValueError, match="batch"):
        load_asr(f"hf/{ctc}", batch=0)


def test_missing_packages_have_a_remedy(monkeypatch, ctc):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(UsageError, match=r"needs a package .*pip install 'mio-eval\[starter\]'"):
        load_asr("faster-whisper/tiny")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"needs a package .*pip install 'mio-eval\[starter\]'"):
        load_asr(f"hf/{ctc}")


def test_an_unknown_faster_whisper_name():
    pytest.importorskip("faster_whisper")
    with pytest.raises(UsageError, match=r"unknown faster-whisper model 'large-v9'.*large-v"):
        load_asr("faster-whisper/large-v9")


@pytest.mark.starter
def test_the_starter_and_its_folder_read_a_real_clip():
    pytest.importorskip("faster_whisper")
    soundfile = pytest.importorskip("soundfile")
    from mio_eval.models.starter.assets import ASSETS, fetch

    wave, _ = soundfile.read(CLIP, dtype="float32")
    starter = load_asr("starter")
    assert starter.identity == "starter/whisper-tiny.en-int8"
    texts = starter.transcribe([wave, np.zeros(RATE, dtype=np.float32)])
    assert "amiable himself" in texts[0]
    assert texts[1] == ""
    folder = fetch(ASSETS["whisper-tiny.en"])
    model = load_asr(f"faster-whisper/{folder}")
    assert model.identity.startswith("faster-whisper/local@sha256-")
    assert "amiable himself" in model.transcribe([wave])[0]
    with pytest.raises(UsageError, match="English only"):
        load_asr(f"faster-whisper/{folder}", language="fr")

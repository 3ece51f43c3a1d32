"""Speaker encoders as judges: goldens of transformers and of Resemblyzer."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mio_eval.annotators.ge2e import ASSET, GE2E, mel_filters, raise_volume, window_starts
from mio_eval.annotators.speaker_models import load_speaker_encoder, speaker_similarity
from mio_eval.annotators.waves import shortest
from mio_eval.compat import import_torchvision
from mio_eval.errors import UsageError

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
RATE = 16_000


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    """The golden's tiny WavLM, with the preprocessor that its numbers were made with."""
    import_torchvision()
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("wavlm")
    shutil.copytree(GOLDEN / "tts" / "tiny_wavlm_xvector", folder, dirs_exist_ok=True)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def waves():
    with np.load(GOLDEN / "tts" / "waves.npz") as stored:
        return [(stored[f"w{i}"] / np.float32(32767)).astype(np.float32) for i in range(4)]


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "tts" / "speaker_golden.json").read_text())


def test_wavlm_gives_the_golden_embeddings_and_cosines(wavlm, waves, golden):
    encoder = load_speaker_encoder(f"hf/{wavlm}")
    embeddings = [encoder.embed(wave) for wave in waves]
    for embedding, raw in zip(embeddings, golden["embeddings_single"], strict=True):
        assert embedding.dtype == np.float32
        np.testing.assert_allclose(embedding, raw / np.linalg.norm(raw), atol=1e-5)
    cosines = [[speaker_similarity(a, b) for b in embeddings] for a in embeddings]
    np.testing.assert_allclose(cosines, golden["cos_single"], atol=1e-5)
    # A padded batch is another number, so the golden can tell the two apart.
    for other in ("cos_batched_with_attention_mask", "cos_batched_without_mask"):
        assert np.abs(np.array(cosines) - golden[other]).max() > 1e-3


def test_old_names_of_weight_norm_load_alike(wavlm, waves, tmp_path):
    from safetensors.torch import load_file

    shutil.copytree(wavlm, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    renamed = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in weights.items()
    }
    assert renamed.keys() != weights.keys()
    (tmp_path / "model.safetensors").unlink()
    torch.save(renamed, tmp_path / "pytorch_model.bin")  # as microsoft/wavlm-base-plus-sv is
    old = load_speaker_encoder(f"hf/{tmp_path}").embed(waves[0])
    np.testing.assert_allclose(old, load_speaker_encoder(f"hf/{wavlm}").embed(waves[0]), atol=1e-6)


def test_a_model_without_its_head_is_refused(wavlm, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(wavlm, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if name.startswith("wavlm.")}
    (tmp_path / "model.safetensors").unlink()
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match="no trained WavLMForXVector: it lacks"):
        load_speaker_encoder(f"hf/{tmp_path}")


def test_the_shortest_sound_is_as_stated(wavlm, waves):
    encoder = load_speaker_encoder(f"hf/{wavlm}")
    assert np.isfinite(encoder.embed(waves[0][:5200])).all()
    with pytest.raises(ValueError, match=r"5199 samples, expected 5200 or more \(0\.325 s\)"):
        encoder.embed(waves[0][:5199])


def test_shortest_of_a_spectrogram_model():
    assert shortest(object()) == 400
    assert shortest(object(), 16) == 5200


@pytest.mark.parametrize(
    ("wave", "problem"),
    [
        (np.zeros(0, dtype=np.float32), "no samples"),
        (np.zeros((2, 8000), dtype=np.float32), "mono"),
        (np.zeros(8000), "float32"),
        (np.full(8000, np.inf, dtype=np.float32), "finite"),
    ],
)
def test_unusable_sounds_are_refused(wavlm, wave, problem):
    with pytest.raises(ValueError, match=problem):
        load_speaker_encoder(f"hf/{wavlm}").embed(wave)


def test_similarity():
    a, b = np.array([3.0, 0.0]), np.array([1.0, 1.0])
    assert speaker_similarity(a, b) == pytest.approx(np.sqrt(0.5), abs=1e-15)
    assert speaker_similarity(a, -2 * a) == -1.0
    unit = np.full(256, 1 / 16, dtype=np.float32)
    assert speaker_similarity(unit, unit) <= 1.0
    for other in ([0.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="no direction"):
            speaker_similarity(a, other)
    with pytest.raises(ValueError, match="one size"):
        speaker_similarity(a, [1.0])


def test_errors_name_the_remedy(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"wavlm-base-plus-sv.*--judge speaker=starter"):
        load_speaker_encoder("hf/microsoft/wavlm-base-plus-sv")
    assert time.monotonic() - started < 5
    for spec in ("", "hf/", "wavlm", "starter/x"):
        with pytest.raises(UsageError, match="unknown speaker encoder"):
            load_speaker_encoder(spec)
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match=r"needs a package .*pip install 'mio-eval\[starter\]'"):
        load_speaker_encoder(f"hf/{tmp_path / 'model'}")


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="is a bert model; supported: "):
        load_speaker_encoder(f"hf/{tmp_path}")


def test_damaged_ge2e_weights_are_a_usage_error(tmp_path):
    path = tmp_path / "pretrained.pt"
    path.write_bytes(b"not weights")
    with pytest.raises(UsageError, match=r"cannot load .*pretrained\.pt .*fetch the file again"):
        GE2E(path)
    state = {"lstm.weight_ih_l0": torch.zeros(1)}
    for other in ({"model_state": state}, state, [state], {"model_state": [1]}):
        torch.save(other, path)
        with pytest.raises(UsageError, match=r"cannot load .*pretrained\.pt"):
            GE2E(path)


def test_windows_cover_a_sound_and_a_last_short_one_is_dropped():
    assert window_starts(1) == [0]
    assert window_starts(160 * RATE // 100) == [0]
    # 77 frames of 10 ms apart; the last of 160 frames counts from 120 filled ones on
    assert window_starts((77 + 120) * 160) == [0, 77]
    assert window_starts((77 + 120) * 160 - 1) == [0]


def test_mel_filters_have_area_one():
    filters = mel_filters()
    assert filters.shape == (40, 201)
    assert (filters >= 0).all()
    area = filters[20:].sum(axis=1) * RATE / 400  # the low ones are narrower than some bins
    np.testing.assert_allclose(area, 1.0, atol=0.05)


def test_only_quiet_sounds_become_louder():
    quiet = np.full(1000, 0.001, dtype=np.float32)
    assert np.sqrt(np.mean(raise_volume(quiet) ** 2)) == pytest.approx(10 ** (-30 / 20), rel=1e-5)
    loud = np.full(1000, 0.5, dtype=np.float32)
    assert raise_volume(loud) is loud


@pytest.mark.starter
def test_the_starter_agrees_with_resemblyzer():
    soundfile = pytest.importorskip("soundfile")
    encoder = load_speaker_encoder("starter")
    assert encoder.identity == "starter/resemblyzer-0.1.4-novad"
    cases = json.loads((GOLDEN / "starter" / "speaker" / "embeddings.json").read_text())
    for case in cases:
        wave, rate = soundfile.read(ROOT / case["clip"], dtype="float32")
        assert rate == RATE
        wave = (wave[case["start"] : case["stop"]] * np.float32(case["gain"])).astype(np.float32)
        assert wave.size == case["samples"]
        embedding = encoder.embed(wave)
        np.testing.assert_allclose(embedding, case["without_vad"], atol=2e-6)
        assert speaker_similarity(embedding, case["with_vad"]) > 0.96


@pytest.mark.starter
def test_the_starter_refuses_silence():
    encoder = load_speaker_encoder("starter")
    with pytest.raises(ValueError, match="silence"):
        encoder.embed(np.zeros(RATE, dtype=np.float32))


def test_the_asset_holds_one_file():
    assert dict(ASSET.files) == {"pretrained.pt": "resemblyzer/pretrained.pt"}
    assert len(ASSET.wheel_sha256) == 64

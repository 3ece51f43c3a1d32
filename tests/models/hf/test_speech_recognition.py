"""Speech recognition against direct calls of transformers, on tiny models of the real classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
soundfile = pytest.importorskip("soundfile")

from models.hf import tiny_speech as tiny  # noqa: E402
from models.hf.asking import failure, opened_family, outputs  # noqa: E402

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.base import OutOfMemory  # noqa: E402
from mio_eval.models.hf.checkpoint import read_checkpoint  # noqa: E402
from mio_eval.models.hf.family import LoadOptions  # noqa: E402
from mio_eval.models.hf.speech_recognition import CTC, SpeechRecognition  # noqa: E402
from mio_eval.types import Audio, Request, Text  # noqa: E402

RATE = tiny.RATE
GREEDY = {"num_beams": 1, "do_sample": False, "max_new_tokens": 12, "temperature": 1.0}


def sound(folder: Path, wave: np.ndarray, name: str = "a.wav", rate: int = RATE) -> Audio:
    soundfile.write(folder / name, wave, rate, subtype="FLOAT")
    return Audio(path=folder / name)


def ask(audio: Audio, name: str = "x", settings=GREEDY) -> Request:
    return Request(name, (audio, Text("\nTranscribe this speech.")), "text", settings, key=name)


def answers(family, requests) -> dict[str, str]:
    return {name: output.text for name, output in outputs(family, requests).items()}


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory):
    return tiny.write_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def whisper(whisper_folder):
    return opened_family(SpeechRecognition, whisper_folder, language="en")


@pytest.fixture(scope="module")
def masked_folder(tmp_path_factory):
    return tiny.write_ctc(tmp_path_factory.mktemp("ctc"))


@pytest.fixture(scope="module")
def ctc(masked_folder):
    return opened_family(CTC, masked_folder, chunk_seconds="6", stride_seconds="1")


def direct_whisper(folder: Path, wave: np.ndarray, **settings) -> str:
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.WhisperProcessor.from_pretrained(folder)
    long = wave.size > 30 * RATE
    inputs = processor(
        wave,
        sampling_rate=RATE,
        return_tensors="pt",
        return_attention_mask=True,
        **({"truncation": False, "padding": "longest"} if long else {}),
    )
    with torch.no_grad():
        tokens = model.generate(**inputs, return_timestamps=long, **settings)
    return processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()


@pytest.mark.parametrize("beams", [1, 3])
def test_whisper_says_what_transformers_says(whisper, whisper_folder, tmp_path, beams):
    wave = tiny.tone(2.0)
    expected = direct_whisper(
        whisper_folder, wave, language="en", task="transcribe", num_beams=beams, max_new_tokens=12
    )
    assert expected
    # The temperature of a task that does not sample must not make Whisper sample.
    request = ask(sound(tmp_path, wave), settings=GREEDY | {"num_beams": beams})
    assert answers(whisper, [request]) == {"x": expected}
    assert answers(whisper, [request]) == {"x": expected}


def test_a_long_sound_is_heard_to_its_end_as_whisper_does(whisper, whisper_folder, tmp_path):
    wave = np.concatenate([tiny.tone(28.0), tiny.tone(14.0, 4)])
    direct = {"language": "en", "task": "transcribe", "num_beams": 1, "max_new_tokens": 12}
    expected = direct_whisper(whisper_folder, wave, **direct)
    assert answers(whisper, [ask(sound(tmp_path, wave))]) == {"x": expected}
    cut = direct_whisper(whisper_folder, wave[: 30 * RATE], **direct)
    assert len(expected) > len(cut)


def test_long_sounds_in_chunks_are_what_the_pipeline_gives(whisper_folder, tmp_path):
    family = opened_family(SpeechRecognition, whisper_folder, language="en", long_form="chunked")
    wave = np.concatenate([tiny.tone(28.0), tiny.tone(10.0, 4)])
    pipeline = transformers.pipeline(
        "automatic-speech-recognition", str(whisper_folder), chunk_length_s=30, device="cpu"
    )
    settings = {"language": "en", "task": "transcribe", "num_beams": 1, "max_new_tokens": 12}
    expected = pipeline(wave.copy(), generate_kwargs=settings)["text"].strip()
    assert answers(family, [ask(sound(tmp_path, wave))]) == {"x": expected}


def test_a_batch_changes_no_transcript_of_whisper(whisper, tmp_path):
    requests = [
        ask(sound(tmp_path, tiny.tone(length, i), f"{i}.wav"), f"{i}")
        for i, length in enumerate((1.0, 2.5, 0.3, 31.0, 4.0))
    ]
    alone = {key: text for one in requests for key, text in answers(whisper, [one]).items()}
    assert len(set(alone.values())) > 2
    assert answers(whisper, requests) == alone
    assert answers(whisper, requests[::-1]) == alone


def test_sampling_is_seeded_by_the_request_not_by_the_batch(whisper, tmp_path):
    settings = {"do_sample": True, "temperature": 1.0, "max_new_tokens": 12}
    audio = sound(tmp_path, tiny.tone(1.0))
    requests = [ask(audio, name, settings) for name in "abcd"]
    first = answers(whisper, requests)
    assert len(set(first.values())) > 1
    assert answers(whisper, requests[::-1]) == first
    assert answers(whisper, requests[2:3]) == {"c": first["c"]}


def test_what_was_prepared_ahead_is_used(whisper, tmp_path):
    audio = sound(tmp_path, tiny.tone(1.0))
    request = ask(audio)
    expected = answers(whisper, [request])
    heard = whisper.prepare(request)
    audio.path.unlink()
    ready = Request("x", request.parts, "text", GREEDY, key="x", prepared=heard)
    assert answers(whisper, [ready]) == expected


def test_any_rate_and_stereo_are_heard_like_the_mono_original(whisper, tmp_path):
    import soxr

    fine = tiny.tone(1.5, 2, rate=44_100)
    stereo = sound(tmp_path, np.stack([fine * 1.5, fine * 0.5], axis=1), "stereo.wav", 44_100)
    mono = sound(tmp_path, soxr.resample(fine, 44_100, RATE, quality="HQ"), "mono.wav")
    heard = [whisper.prepare(ask(audio)).wave for audio in (stereo, mono)]
    np.testing.assert_allclose(heard[0], heard[1], atol=1e-5)


def test_damaged_empty_and_missing_sounds_fail_alone(whisper, tmp_path):
    good = sound(tmp_path, tiny.tone(1.0), "good.wav")
    expected = answers(whisper, [ask(good, "good")])["good"]
    empty = sound(tmp_path, np.zeros(0, np.float32), "empty.wav")
    (tmp_path / "text.wav").write_text("no sound")
    requests = [
        ask(empty, "empty"),
        ask(Audio(path=tmp_path / "none.wav"), "missing"),
        ask(good, "good"),
        ask(Audio(path=tmp_path / "text.wav"), "damaged"),
        Request("silent", (Text("Transcribe."),), "text", GREEDY),
    ]
    found = {response.sample_id: response for response in whisper.generate(requests)}
    assert found["good"].output.text == expected
    stages = {name: r.failure.stage for name, r in found.items() if r.failure}
    assert stages == {
        "empty": "decode",
        "missing": "data",
        "damaged": "decode",
        "silent": "generate",
    }


def test_running_out_of_memory_is_said_before_any_answer(whisper, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    requests = [ask(sound(tmp_path, tiny.tone(1.0, i), f"{i}.wav"), f"{i}") for i in range(3)]
    monkeypatch.setattr(whisper._model, "generate", full)
    with pytest.raises(OutOfMemory, match="2 GiB"):
        next(iter(whisper.generate(requests)))


def test_one_sample_that_breaks_a_batch_does_not_cost_the_others(whisper, tmp_path, monkeypatch):
    requests = [ask(sound(tmp_path, tiny.tone(1.0, i), f"{i}.wav"), f"{i}") for i in range(3)]
    expected = answers(whisper, requests)
    real = whisper._model.generate
    bad = whisper.prepare(requests[1]).inputs["input_features"]

    def picky(input_features, **settings):
        if any(torch.equal(features, bad[0]) for features in input_features):
            raise RuntimeError("this one")
        return real(input_features=input_features, **settings)

    monkeypatch.setattr(whisper._model, "generate", picky)
    found = {response.sample_id: response for response in whisper.generate(requests)}
    assert found["1"].failure.message == "this one"
    assert {k: found[k].output.text for k in "02"} == {k: expected[k] for k in "02"}


def test_language_and_task_of_whisper(whisper_folder, tmp_path):
    audio = sound(tmp_path, tiny.tone(2.0))
    wave = soundfile.read(audio.path, dtype="float32")[0]
    for extra in ({"language": "fr"}, {"language": "fr", "task": "translate"}, {}):
        family = opened_family(SpeechRecognition, whisper_folder, **extra)
        direct = {"task": "transcribe", "num_beams": 1, "max_new_tokens": 12} | extra
        expected = direct_whisper(whisper_folder, wave, **direct)
        assert answers(family, [ask(audio)]) == {"x": expected}
    with pytest.raises(UsageError, match=r"no language 'xx'; it has en, fr"):
        opened_family(SpeechRecognition, whisper_folder, language="xx")


def test_english_whisper_takes_english_only(tmp_path):
    folder = tiny.write_whisper(tmp_path / "en", languages=())
    audio = sound(tmp_path, tiny.tone(1.0))
    plain = answers(opened_family(SpeechRecognition, folder), [ask(audio)])
    assert answers(opened_family(SpeechRecognition, folder, language="en"), [ask(audio)]) == plain
    with pytest.raises(UsageError, match="English only"):
        opened_family(SpeechRecognition, folder, language="fr")
    with pytest.raises(UsageError, match="does not translate"):
        opened_family(SpeechRecognition, folder, task="translate")


def test_moonshine_runs_alone_because_it_hears_padding(tmp_path):
    folder = tiny.write_moonshine(tmp_path / "moonshine")
    family = opened_family(SpeechRecognition, folder)
    model = transformers.MoonshineForConditionalGeneration.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    requests, expected = [], {}
    for i, length in enumerate((1.0, 2.0, 0.5)):
        wave = tiny.tone(length, i)
        requests.append(ask(sound(tmp_path, wave, f"{i}.wav"), f"{i}"))
        inputs = extractor(wave, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            tokens = model.generate(**inputs, max_new_tokens=12, num_beams=1, do_sample=False)
        expected[f"{i}"] = tokenizer.decode(tokens[0], skip_special_tokens=True).strip()
    assert len(set(expected.values())) == 3
    assert answers(family, requests) == expected


def test_speech_to_text_is_what_transformers_gives(tmp_path):
    pytest.importorskip("sentencepiece")
    folder = tiny.write_speech_to_text(tmp_path / "s2t")
    wave = tiny.tone(1.0)
    model = transformers.Speech2TextForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.Speech2TextProcessor.from_pretrained(folder)
    inputs = processor(wave, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=12, num_beams=2)
    expected = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    assert expected
    family = opened_family(SpeechRecognition, folder)
    request = ask(sound(tmp_path, wave), settings={"num_beams": 2, "max_new_tokens": 12})
    assert answers(family, [request]) == {"x": expected}
    with pytest.raises(UsageError, match="takes none"):
        opened_family(SpeechRecognition, folder, language="de")


def direct_ctc(folder: Path, wave: np.ndarray) -> str:
    model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
    processor = transformers.Wav2Vec2Processor.from_pretrained(folder)
    inputs = processor(wave, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        symbols = model(**inputs).logits.argmax(-1)
    return processor.batch_decode(symbols)[0].strip()


@pytest.mark.parametrize("kind", ["Wav2Vec2", "Hubert", "WavLM"])
@pytest.mark.parametrize("masked", [True, False])
def test_ctc_is_what_transformers_gives_alone_and_in_a_batch(tmp_path, kind, masked):
    folder = tiny.write_ctc(tmp_path / "model", kind, masked=masked)
    family = opened_family(CTC, folder)
    waves = [tiny.tone(length, i) for i, length in enumerate((1.0, 3.0, 0.2, 1.7))]
    requests = [ask(sound(tmp_path, w, f"{i}.wav"), f"{i}") for i, w in enumerate(waves)]
    expected = {f"{i}": direct_ctc(folder, wave) for i, wave in enumerate(waves)}
    assert len(set(expected.values())) > 2
    assert answers(family, requests) == expected
    ready = [r for r in requests if family._batches(_with(family, r))]
    assert len(ready) == (4 if masked else 0)  # a group norm hears padding: one at a time


def _with(family, request):
    return Request(request.sample_id, request.parts, "text", prepared=family.prepare(request))


def test_a_long_sound_through_ctc_is_what_the_pipeline_gives(ctc, masked_folder, tmp_path):
    wave = np.concatenate([tiny.tone(9.0), tiny.tone(8.3, 3)])
    pipeline = transformers.pipeline(
        "automatic-speech-recognition", str(masked_folder), device="cpu"
    )
    expected = pipeline(wave.copy(), chunk_length_s=6, stride_length_s=1)["text"]
    requests = [ask(sound(tmp_path, wave)), ask(sound(tmp_path, tiny.tone(2.0), "b.wav"), "b")]
    assert answers(ctc, requests)["x"] == expected.strip()
    assert ctc.prepare(requests[0]).inputs is None


def test_a_language_of_mms_is_its_adapter_and_alphabet(tmp_path):
    folder = tiny.write_mms(tmp_path / "mms")
    wave = tiny.tone(1.0)
    model = transformers.Wav2Vec2ForCTC.from_pretrained(
        folder, target_lang="fra", ignore_mismatched_sizes=True
    ).eval()
    processor = transformers.Wav2Vec2Processor.from_pretrained(folder, target_lang="fra")
    inputs = processor(wave, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        expected = processor.decode(model(**inputs).logits[0].argmax(-1)).strip()
    assert set(expected) & set("ÀÂÇÉÈÊËÎÏÔÙ")
    audio = sound(tmp_path, wave)
    assert answers(opened_family(CTC, folder, language="fra"), [ask(audio)]) == {"x": expected}
    with pytest.raises(UsageError, match="no language 'xxx'"):
        opened_family(CTC, folder, language="xxx")


def test_a_sound_shorter_than_one_frame_fails(ctc, tmp_path):
    found = failure(ctc, ask(sound(tmp_path, tiny.tone(0.02))))
    assert "320 samples, the model needs 400" in found.message


def test_an_encoder_without_a_trained_head_is_refused(tmp_path):
    folder = tiny.write_ctc(tmp_path / "model")
    transformers.Wav2Vec2Model.from_pretrained(folder).save_pretrained(folder)
    checkpoint = read_checkpoint(str(folder), None)
    assert not CTC.matches(checkpoint)
    with pytest.raises(UsageError, match=r"holds no trained Wav2Vec2ForCTC: it lacks lm_head"):
        CTC(checkpoint, LoadOptions(device="cpu")).load()


def test_arguments_that_make_no_sense_are_refused(whisper_folder, masked_folder):
    for family, folder, extra, message in (
        (SpeechRecognition, whisper_folder, {"task": "sing"}, "transcribe or translate"),
        (SpeechRecognition, whisper_folder, {"chunk_seconds": "20"}, "long_form=chunked"),
        (CTC, masked_folder, {"chunk_seconds": "-1"}, "from 0.1 up"),
        (CTC, masked_folder, {"chunk_seconds": "4", "stride_seconds": "2"}, "less than half"),
        (CTC, masked_folder, {"language": "fra"}, "no multilingual MMS"),
    ):
        with pytest.raises(UsageError, match=message):
            opened_family(family, folder, **extra)


def test_what_changes_a_transcript_is_in_the_identity(whisper_folder, masked_folder):
    def said(family, folder, **extra):
        found = family(read_checkpoint(str(folder), None), LoadOptions(extra=extra)).identity()
        return json.dumps(found, sort_keys=True)

    whisper = [{}, {"language": "en"}, {"task": "translate"}, {"long_form": "chunked"}]
    assert len({said(SpeechRecognition, whisper_folder, **extra) for extra in whisper}) == 4
    ctc = [{}, {"chunk_seconds": "20"}, {"stride_seconds": "1"}]
    assert len({said(CTC, masked_folder, **extra) for extra in ctc}) == 3

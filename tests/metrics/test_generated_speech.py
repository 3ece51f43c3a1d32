"""Scores of generated speech: seed-tts-eval's WER, speaker similarity."""

from __future__ import annotations

import numpy as np
import pytest
from golden_files import read_golden

from mio_eval.metrics.base import Item
from mio_eval.metrics.tts import CHINESE_PUNCTUATION, SpeakerSim, seed_tts_normalise
from mio_eval.metrics.wer import utterance_error_rates, word_statistics


@pytest.fixture(scope="module")
def golden():
    return read_golden("tts/seedtts_golden.json")


def rates(cases) -> np.ndarray:
    """The error rate of each utterance."""
    pairs = [
        tuple(seed_tts_normalise(case[key], case["lang"]) for key in ("truth", "hypo"))
        for case in cases
    ]
    return utterance_error_rates(
        word_statistics([truth for truth, _ in pairs], [hypo for _, hypo in pairs]).counts
    )


@pytest.mark.parametrize("languages", [("en",), ("zh",), ("en", "zh")])
def test_seed_tts_evals_error_rates(golden, languages):
    cases = [case for case in golden["cases"] if case["lang"] in languages]
    assert len(cases) >= 8
    expected = [case["wer"] for case in cases]
    np.testing.assert_allclose(rates(cases), expected, rtol=0, atol=1e-9)
    assert abs(float(rates(cases).mean()) - sum(expected) / len(expected)) < 1e-9


def test_the_mean_over_all_is_what_its_script_prints(golden):
    assert golden["average_wer_stdout"] == f"WER: {100 * rates(golden['cases']).mean():.3f}%"


def test_the_punctuation_is_its_list(golden):
    import string

    assert set(golden["punctuation_all"]) == set(CHINESE_PUNCTUATION + string.punctuation)
    for mark in golden["punctuation_all"]:
        assert seed_tts_normalise(f"a{mark}b") == ("a'b" if mark == "'" else "ab")


def test_rules_that_surprise():
    assert seed_tts_normalise("Twenty-one text—dash, it's") == "twentyone textdash it's"
    assert seed_tts_normalise("a    b") == "a  b"  # one pass
    assert seed_tts_normalise("我用iPhone", "zh") == "我 用 i P h o n e"
    with pytest.raises(ValueError, match="not 'fr'"):
        seed_tts_normalise("a", "fr")


def item(name: str, value: object) -> Item:
    return Item(id=name, text="", references=(), annotations={"speaker": value})


def test_speaker_similarity_is_a_mean():
    metric = SpeakerSim()
    statistics = metric.statistics([item("a", {"cosine": 0.5}), item("b", {"cosine": -0.25})])
    np.testing.assert_array_equal(statistics.values, [[0.5, 1.0], [-0.25, 1.0]])
    assert float(metric.score(statistics.values.sum(axis=0))) == 12.5
    np.testing.assert_array_equal(metric.per_sample(statistics.values), [50.0, -25.0])
    assert np.isnan(metric.score(np.zeros(2)))
    assert metric.statistics([]).values.shape == (0, 2)


def test_the_signature_names_the_encoder():
    metric = SpeakerSim()
    assert metric.signature(4).startswith("speaker_sim|enc:-|n:4|v:")
    metric.judges = {"speaker": "starter/resemblyzer-0.1.4-novad"}
    assert metric.signature(4).startswith("speaker_sim|enc:starter/resemblyzer-0.1.4-novad|n:4|v:")


@pytest.mark.parametrize("said", [None, {}, {"cosine": None}, {"cosine": True}, 0.5])
def test_a_sample_without_a_cosine_is_named(said):
    with pytest.raises(ValueError, match="sample b has no cosine"):
        SpeakerSim().statistics([item("a", {"cosine": 1}), item("b", said)])


def test_a_cosine_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"1\.5, outside -1 to 1"):
        SpeakerSim().statistics([item("a", {"cosine": 1.5})])

"""VQA accuracy equals the official evaluators', question by question, in every variant."""

from __future__ import annotations

import time

import numpy as np
import pytest
from golden_files import read_golden
from hypothesis import given
from hypothesis import strategies as st

from mio_eval import __version__
from mio_eval.errors import UsageError
from mio_eval.metrics.base import Item
from mio_eval.metrics.porter import porter_stem
from mio_eval.metrics.vqa import VqaAccuracy, leave_one_out, vqa_accuracy
from mio_eval.metrics.vqa_text import (
    PAIR_RULES,
    lmms_eval_form,
    official_form,
    strip_punctuation,
    tidy,
    vizwiz_form,
)

FORMS = read_golden("vqa/normalise_golden.json.gz")
EMU = read_golden("vqa/emu_okvqa_golden.json.gz")
SYNTHETIC = read_golden("vqa/vqa_golden.json.gz")
VIZWIZ = read_golden("vqa/vizwiz_val_golden.json.gz")

VARIANT_OF = {
    "GT-Vision-Lab_HEAD_a013f00": ("gt-vision-lab-2021", "none"),
    "GT-Vision-Lab_b7d71bb_2017_EvalAI_LAVIS": ("gt-vision-lab-2017", "none"),
    "VizWiz": ("vizwiz", "none"),
    "LAVIS/Emu VQAEval": ("gt-vision-lab-2017", "none"),
    "Emu OKVQAEval (Porter stem of the whole string)": ("gt-vision-lab-2017", "emu-porter"),
}


def synthetic():
    cases = read_golden("vqa/vqa_cases.json.gz")
    given_ = {row["question_id"]: row["answer"] for row in cases["results"]}
    ids = [row["question_id"] for row in cases["annotations"]]
    answers = [[a["answer"] for a in row["answers"]] for row in cases["annotations"]]
    return ids, [given_[i] for i in ids], answers


def vizwiz():
    cases = read_golden("vqa/vizwiz_val_cases.json.gz")
    ids = [row["question_id"] for row in cases["annotations"]]
    answers = [row["answers"] for row in cases["annotations"]]
    return ids, [cases["predictions"][str(i)] for i in ids], answers


@pytest.mark.parametrize("row", FORMS, ids=lambda row: ascii(row["input"]))
def test_normal_forms(row):
    text = row["input"]
    assert strip_punctuation(tidy(text)) == row["punct"]
    assert official_form(text) == row["official"]
    assert vizwiz_form(text) == row["vizwiz"]
    assert lmms_eval_form(text) == row["lmms_eval_call"] == row["llava_m4c_call"]


@pytest.mark.parametrize("name", VARIANT_OF)
def test_every_synthetic_question(name):
    ids, predictions, answers = synthetic()
    golden = {**SYNTHETIC, **EMU}[name]
    expected = [golden["per_question"][str(i)] for i in ids]
    values = 100 * vqa_accuracy(predictions, answers, *VARIANT_OF[name])
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)
    if overall := golden.get("overall_12dp", golden.get("overall")):
        assert values.mean() == pytest.approx(overall, abs=1e-9)


def test_lmms_eval_on_the_synthetic_questions():
    _, predictions, answers = synthetic()
    value = 100 * vqa_accuracy(predictions, answers, "lmms-eval").mean()
    for name in (
        "lmms_eval_vqav2 (rule re-stated, normalises always)",
        "lmms_eval_okvqa_vizwiz (rule re-stated, word_tokenize)",
        "LLaVA_m4c_TextVQAAccuracyEvaluator",
    ):
        assert value == pytest.approx(SYNTHETIC[name]["overall"], abs=1e-9)


@pytest.mark.parametrize(
    ("variant", "per_question"),
    [
        ("gt-vision-lab-2021", "per_question_GT-Vision-Lab_HEAD"),
        ("vizwiz", "per_question_vizwiz_api"),
    ],
)
def test_every_question_of_vizwiz_val(variant, per_question):
    ids, predictions, answers = vizwiz()
    expected = [VIZWIZ[per_question][str(i)] for i in ids]
    values = 100 * vqa_accuracy(predictions, answers, variant)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        ("gt-vision-lab-2021", "GT-Vision-Lab_HEAD_a013f00 | with_answer_id"),
        ("gt-vision-lab-2017", "GT-Vision-Lab_b7d71bb_pre2021 | with_answer_id"),
        ("lmms-eval", "OpenFlamingo_655f693 | with_answer_id"),
        ("vizwiz", "VizWiz_api (index leave-one-out, GT not normalised)"),
    ],
)
def test_vizwiz_val_and_its_majority_oracle(variant, name):
    """The answers carry no ids: comparing dictionaries would make the oracle 67 instead of 94."""
    _, predictions, answers = vizwiz()
    oracle = [max(humans, key=humans.count) for humans in answers]
    value = 100 * vqa_accuracy(predictions, answers, variant).mean()
    assert value == pytest.approx(VIZWIZ["pred"][name], abs=1e-9)
    value = 100 * vqa_accuracy(oracle, answers, variant).mean()
    assert value == pytest.approx(VIZWIZ["majority_oracle"][name], abs=1e-9)


def test_leave_one_out_is_exact():
    assert [leave_one_out(k, 10) for k in range(11)] == [0.0, 0.3, 0.6, 0.9] + [1.0] * 7
    assert [100 * leave_one_out(k, 10) for k in range(4)] == [0.0, 30.0, 60.0, 90.0]
    assert leave_one_out(1, 1) == 0.0
    assert leave_one_out(5, 5) == 1.0


@given(st.integers(1, 20), st.data())
def test_leave_one_out_is_its_definition(annotators, data):
    matches = data.draw(st.integers(0, annotators))
    equal = [i < matches for i in range(annotators)]
    subsets = [min(1, (sum(equal) - equal[i]) / 3) for i in range(annotators)]
    assert leave_one_out(matches, annotators) == pytest.approx(sum(subsets) / annotators)


def test_unanimous_answers_are_not_normalised_in_the_2021_code():
    for prediction, value in (("black", 1.0), ("Black.", 0.0)):
        assert vqa_accuracy([prediction], [["black"] * 10]) == [value]
        assert vqa_accuracy([prediction], [["black"] * 10], "gt-vision-lab-2017") == [1.0]
    assert vqa_accuracy(["Black."], [["black"] * 9 + ["grey"]]) == [1.0]


def test_number_words_of_humans_never_match_in_the_2017_code():
    humans = [["two"] * 6 + ["2"] * 4]
    assert vqa_accuracy(["two"], humans, "gt-vision-lab-2021") == [1.0]
    assert vqa_accuracy(["two"], [["two"] * 9 + ["3"]], "gt-vision-lab-2017") == [0.0]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("none of them", "0 of them"),
        ("The", ""),
        ("A", ""),
        ("Im ive id've", "im ive id've"),  # keys with capitals are dead
        ("somebody'd", "somebodyd"),
        ("lets", "lets"),
        ("." * 40, "." * 8),  # only 32 periods go
        ("3.5 3.", "3.5 3"),
        ("1,000 red,white", "1000 redwhite"),  # one digit,digit comma removes every mark
        ("red,white", "red white"),
        ("red, white-blue", "red white blue"),
    ],
)
def test_odd_normal_forms(text, form):
    assert official_form(text) == form


def test_vizwiz_contractions_match_no_ascii_answer():
    assert vizwiz_form("dont") == "don`t"
    assert vizwiz_form("cant weve couldn'tve") == "can't we've couldn`t`ve"


def test_porter_stems():
    for text, stem in EMU["porter_whole_string"].items():
        assert porter_stem(text) == stem


@pytest.mark.parametrize(
    ("text", "stem"),
    [  # NLTK 3.10.4
        *(("skies", "sky"), ("dying", "die"), ("dies", "die"), ("flies", "fli"), ("died", "die")),
        *(("spied", "spi"), ("enjoy", "enjoy"), ("happy", "happi"), ("feed", "feed")),
        *(("agreed", "agre"), ("hopping", "hop"), ("falling", "fall"), ("filing", "file")),
        *(("relational", "relat"), ("rationally", "ration"), ("hopefully", "hope")),
        *(("geology", "geolog"), ("conflated", "conflat"), ("electricity", "electr")),
        *(("adoption", "adopt"), ("replacement", "replac"), ("controlling", "control")),
        *(("rate", "rate"), ("news", "news"), ("", ""), ("as", "as"), ("AS", "as"), ("oed", "o")),
        *(("red shoes", "red sho"), ("y" * 5000, "y" * 4999 + "i")),
    ],
)
def test_porter_stems_of_words(text, stem):
    assert porter_stem(text) == stem


def items(predictions, answers):
    return [
        Item(str(i), prediction, tuple(humans))
        for i, (prediction, humans) in enumerate(zip(predictions, answers, strict=True))
    ]


def test_metric():
    metric = VqaAccuracy()
    assert (
        metric.signature(2)
        == f"vqa_acc|variant:gt-vision-lab-2021|answers:none|n:2|v:{__version__}"
    )
    statistics = metric.statistics(items(["cat", "Cat."], [["cat"] * 10, ["cat"] * 3 + ["x"] * 7]))
    assert statistics.values.tolist() == [[1.0, 1.0], [0.9, 1.0]]
    assert metric.per_sample(statistics.values).tolist() == [100.0, 90.0]
    assert metric.score(statistics.values.sum(axis=0)) == 95.0
    assert metric.statistics([]).values.shape == (0, 2)


def test_answer_rules_are_bound_to_their_variant():
    emu = VqaAccuracy(variant="gt-vision-lab-2017", answers="emu-porter")
    assert "answers:emu-porter" in emu.signature(1)
    with pytest.raises(UsageError, match="variant=gt-vision-lab-2017 only"):
        VqaAccuracy(answers="emu-porter")
    with pytest.raises(UsageError, match="unknown variant"):
        VqaAccuracy(variant="evalai")
    with pytest.raises(ValueError, match="sample 0 has no references"):
        VqaAccuracy().statistics(items(["a"], [[]]))


hostile = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from([*"aAthe.,;'`?!/ \n\t-10", "none", "dont", "'s", "ies"])).map("".join),
)


@given(hostile, st.lists(hostile, min_size=1, max_size=10))
def test_hostile_text(prediction, humans):
    for variant, rule in PAIR_RULES:
        (value,) = vqa_accuracy([prediction], [humans], variant, rule)
        assert 0.0 <= value <= 1.0
        same = vqa_accuracy(humans[:1], [humans[:1] * 10], variant, rule)
        assert 0.0 <= same[0] <= 1.0


@given(hostile)
def test_agreeing_with_everyone_is_right_when_both_sides_are_normalised(text):
    for variant in ("gt-vision-lab-2021", "lmms-eval"):
        assert vqa_accuracy([text], [[text] * 10], variant) == [1.0]
        assert vqa_accuracy([text], [[text] * 9 + [text + "x"]], variant) == [1.0]


def test_vqav2_takes_seconds():
    _, predictions, answers = vizwiz()
    start = time.perf_counter()
    vqa_accuracy(predictions * 10, answers * 10)
    assert time.perf_counter() - start < 10  # 43,190 questions, about 0.6 s


@pytest.mark.parametrize("rule", ["lavis-spacy", "openflamingo-wordnet"])
def test_a_rule_that_papers_used_and_we_lack_says_so(rule):
    with pytest.raises(UsageError, match=rf"answers={rule} .*not available.*none or emu-porter"):
        VqaAccuracy(answers=rule)

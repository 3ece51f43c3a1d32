"""What every metric class keeps: settings, signatures, rows that stand alone."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mio_eval
from mio_eval.errors import UsageError
from mio_eval.metrics import METRICS, get_metric, metric_class, metric_names
from mio_eval.metrics.base import Item, mean_score
from mio_eval.metrics.ptb import TOKENIZER
from mio_eval.stats import column_sums

V = f"v:{mio_eval.__version__}"
CAPTION = ("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l")
SPEECH = ("wer", "wer_utt_mean", "cer")
ITEMS = [
    Item("a", "A cat sits on a mat.", ("a cat on the mat", "The cat sits.")),
    Item("b", "two dogs run", ("two dogs are running in a park", "dogs run", "a dog")),
    Item("c", "", ("an empty answer",)),
    Item("d", "Nothing alike!", ("a red bus on a street", "one bus")),
    Item("e", "a cat on the mat", ("a cat on the mat",)),
]


def items_for(name):
    """Return the samples, with one reference each where the metric takes only one."""
    if name not in SPEECH:
        return ITEMS
    return [Item(item.id, item.text, item.references[:1]) for item in ITEMS]


# Name, options, number of samples, references a sample → signature (formats: docs/signatures.md).
SIGNATURES = [
    ("cider", {}, "5", f"cider|tok:{TOKENIZER}|df:split|n:40|refs:5|{V}"),
    ("cider", {"tokenizer": "java"}, "5-6", f"cider|tok:ptb-java|df:split|n:40|refs:5-6|{V}"),
    ("bleu1", {}, "5", f"bleu1|tok:{TOKENIZER}|n:40|refs:5|{V}"),
    ("bleu4", {}, "1", f"bleu4|tok:{TOKENIZER}|n:40|refs:1|{V}"),
    ("rouge_l", {}, "5", f"rouge_l|tok:{TOKENIZER}|n:40|refs:5|{V}"),
    ("meteor", {}, "5", f"meteor|tok:{TOKENIZER}|n:40|refs:5|{V}"),
    ("spice", {}, "5", f"spice|tok:corenlp-3.6.0|n:40|refs:5|{V}"),
    ("wer", {}, None, f"wer|agg:corpus|norm:whisper-en|asr:-|n:40|{V}"),
    ("wer", {"norm": "none"}, None, f"wer|agg:corpus|norm:none|asr:-|n:40|{V}"),
    ("wer_utt_mean", {}, None, f"wer_utt_mean|agg:utt-mean|norm:whisper-en|asr:-|n:40|{V}"),
    ("cer", {}, None, f"cer|agg:corpus|norm:whisper-en|asr:-|n:40|{V}"),
]


def ready(name, **settings):
    metric = get_metric(name, **settings)
    if metric.needs_split:
        metric.prepare([item.references for item in ITEMS])
    return metric


@pytest.mark.parametrize(("name", "settings", "references", "signature"), SIGNATURES)
def test_signature(name, settings, references, signature):
    assert get_metric(name, **settings).signature(40, references) == signature


@pytest.mark.parametrize("name", sorted(METRICS))
def test_class_describes_itself(name):
    metric = metric_class(name)
    assert metric.name == name
    assert metric.title
    assert metric.columns
    assert isinstance(metric.higher_is_better, bool)
    assert metric.range[0] < metric.range[1]
    for option in metric.options.values():
        assert option.help
        assert not option.choices or option.default in option.choices
    signature = get_metric(name).signature(1)
    assert re.fullmatch(r"[a-z0-9_]+(\|[a-z_0-9]+:[^\s|]+)+", signature)


@pytest.mark.parametrize("name", CAPTION + SPEECH)
def test_row_depends_on_its_own_sample_alone(name):
    metric = ready(name)
    together = metric.statistics(items_for(name)).values
    assert together.shape == (len(items_for(name)), len(metric.columns))
    assert together.dtype == np.float64
    for index, item in enumerate(items_for(name)):
        assert np.array_equal(metric.statistics([item]).values[0], together[index])
    backwards = metric.statistics(items_for(name)[::-1]).values[::-1]
    assert np.array_equal(backwards, together)


@pytest.mark.parametrize("name", CAPTION + SPEECH)
def test_score_of_sums_works_on_any_shape(name):
    metric = ready(name)
    values = metric.statistics(items_for(name)).values
    one = metric.score(column_sums(values))
    assert np.shape(one) == ()
    stack = np.stack([column_sums(values), 2 * column_sums(values)]).reshape(2, 1, -1)
    assert metric.score(stack).shape == (2, 1)
    assert metric.score(stack)[0, 0] == one
    assert metric.per_sample(values).shape == (len(items_for(name)),)


@pytest.mark.parametrize("name", CAPTION)
def test_values_are_times_100(name):
    """A caption that is one of its references scores 100 (CIDEr up to 1000)."""
    metric = ready(name)
    best = metric.per_sample(metric.statistics([items_for(name)[4]]).values)[0]
    assert best == pytest.approx(1000 if name == "cider" else 100, rel=1e-6)
    assert metric.unit == "×100"


@pytest.mark.parametrize("name", ["cider", "rouge_l", "wer_utt_mean"])
def test_value_is_the_mean_of_samples(name):
    metric = ready(name)
    values = metric.statistics(items_for(name)).values
    assert metric.score(column_sums(values)) == pytest.approx(metric.per_sample(values).mean())


def test_wer_is_not_the_mean_of_utterances():
    items = [Item("a", "one", ("one",)), Item("b", "x y z", ("a b c d e f",))]
    wer, mean = ready("wer"), ready("wer_utt_mean")
    assert wer.score(column_sums(wer.statistics(items).values)) == pytest.approx(600 / 7)
    assert mean.score(column_sums(mean.statistics(items).values)) == pytest.approx(50)
    assert wer.unit == "%"
    assert not wer.higher_is_better


def test_speech_keeps_normalised_text_and_alignment():
    details = ready("wer").statistics([Item("a", "The colour, two!", ("THE COLOR 3",))]).details
    assert details[0]["reference"] == "the color 3"
    assert details[0]["hypothesis"] == "the color 2"
    assert details[0]["alignment"]


def test_cider_needs_the_split():
    with pytest.raises(RuntimeError, match="prepare must see the split's references first"):
        get_metric("cider").statistics(ITEMS)


def test_cider_of_an_image_does_not_depend_on_the_scored_images():
    metric = ready("cider")
    whole = metric.per_sample(metric.statistics(ITEMS).values)
    assert np.array_equal(metric.per_sample(metric.statistics(ITEMS[:2]).values), whole[:2])


@pytest.mark.parametrize("name", CAPTION + SPEECH)
def test_sample_without_references_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: sample x has no references; every sample needs"):
        ready(name).statistics([items_for(name)[0], Item("x", "a", ())])


def test_hostile_text_is_only_text():
    texts = [
        "",
        " ",
        "\0",
        "\x1b[31m",
        "{0}",
        "%s",
        "a\nb\u2028c",
        "🐈" * 50,
        "a " * 2000,
        "\ufffd",
    ]
    for name in CAPTION + SPEECH:
        metric = ready(name)
        items = [Item(str(i), text, ("a cat",)) for i, text in enumerate(texts)]
        values = metric.statistics(items).values
        assert np.isfinite(values).all()
        assert np.isfinite(metric.per_sample(values)).all()


def test_unknown_metric_option_and_value():
    with pytest.raises(UsageError, match="unknown metric 'weer'; did you mean wer"):
        get_metric("weer")
    with pytest.raises(UsageError, match="unknown option of metric wer 'nrom'; did you mean norm"):
        get_metric("wer", nrom="none")
    with pytest.raises(UsageError, match="unknown norm of metric wer 'non'; did you mean none"):
        get_metric("wer", norm="non")
    with pytest.raises(UsageError, match="unknown tokenizer of metric cider 'x'; known: java, ptb"):
        get_metric("cider", tokenizer="x")


def test_names():
    assert set(CAPTION + SPEECH + ("meteor", "spice")) <= set(metric_names())
    assert metric_names() == sorted(metric_names())


def test_mean_of_nothing_is_no_number():
    assert np.isnan(mean_score(np.array([0.0, 0.0])))
    assert mean_score(np.array([3.0, 2.0]), 100.0) == 150.0


def test_empty_references_are_noted():
    metric = ready("wer")
    values = metric.statistics([Item("a", "x", ("",)), Item("b", "y", ("y",))]).values
    assert "1 empty reference" in metric.note(values)
    assert metric.note(values[1:]) == ""

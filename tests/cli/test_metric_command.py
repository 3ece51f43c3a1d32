"""`mio-eval metric` gives the official scorers' values, in the shape that programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import write_jsonl
from golden_files import read_golden
from metrics.caption_cases import EDGE_CASES, fakecap_captions, fakecap_golden

import mio_eval
from mio_eval.metrics.ptb import TOKENIZER, ptb_tokenize

KEYS = [
    *("metric", "value", "ci_low", "ci_high", "n_expected", "n_scored", "n_failed", "signature"),
    "per_sample",
]
# Our names and those of pycocoevalcap.
CAPTION_METRICS = {
    "cider": "CIDEr",
    "bleu1": "Bleu_1",
    "bleu2": "Bleu_2",
    "bleu3": "Bleu_3",
    "bleu4": "Bleu_4",
    "rouge_l": "ROUGE_L",
}
V = f"v:{mio_eval.__version__}"


def score(invoke, metric, predictions, references, *options):
    ended = invoke(
        *("metric", metric, "--predictions", predictions, "--references", references),
        *("--json", "--per-sample", *options),
    )
    assert ended.code == 0, ended
    shown = json.loads(ended.out)
    assert list(shown) == KEYS
    assert shown["metric"] == metric
    return shown


@pytest.fixture
def files(tmp_path):
    def write(texts, references):
        return (
            write_jsonl(tmp_path / "p.jsonl", [{"id": i, "text": t} for i, t in texts.items()]),
            write_jsonl(
                tmp_path / "r.jsonl", [{"id": i, "references": r} for i, r in references.items()]
            ),
        )

    return write


@pytest.fixture(scope="module")
def fakecap():
    return *fakecap_captions(), fakecap_golden()


@pytest.mark.parametrize("metric", CAPTION_METRICS)
def test_fakecap(invoke, files, fakecap, metric):
    texts, references, golden = fakecap
    shown = score(invoke, metric, *files(texts, references))
    official = CAPTION_METRICS[metric]
    assert shown["value"] == pytest.approx(100 * golden["eval"][official], rel=0, abs=1e-9)
    assert shown["per_sample"].keys() == golden["per_image"].keys()
    for image, values in golden["per_image"].items():
        assert shown["per_sample"][image] == pytest.approx(100 * values[official], rel=0, abs=1e-9)
    assert (shown["n_expected"], shown["n_scored"], shown["n_failed"]) == (1000, 1000, 0)
    assert shown["ci_low"] < shown["value"] < shown["ci_high"]
    df = "df:split|" if metric == "cider" else ""
    assert shown["signature"] == f"{metric}|tok:{TOKENIZER}|{df}n:1000|refs:5-6|{V}"


READABLE_CASES = {
    name: case
    for name, case in EDGE_CASES.items()
    # The cases hold tokens; those that our tokenizer gives back can come in by a file.
    if all(
        ptb_tokenize(text) == text.split()
        for group in (*case["gts"].values(), *case["res"].values())
        for text in group
    )
}


def test_most_edge_cases_are_covered():
    assert len(READABLE_CASES) >= 5


@pytest.mark.parametrize("metric", CAPTION_METRICS)
@pytest.mark.parametrize("case", READABLE_CASES.values(), ids=READABLE_CASES)
def test_edge_case(invoke, files, case, metric):
    texts = {i: text for i, (text,) in case["res"].items()}
    shown = score(invoke, metric, *files(texts, case["gts"]))
    official = case["Bleu" if metric.startswith("bleu") else CAPTION_METRICS[metric]]
    value, per_image = official["score"], official["per_image"]
    if metric.startswith("bleu"):
        order = int(metric[-1]) - 1
        value, per_image = value[order], per_image[order]
    assert shown["value"] == pytest.approx(100 * value, rel=0, abs=1e-9)
    assert [shown["per_sample"][i] for i in case["gts"]] == pytest.approx(
        [100 * v for v in per_image], rel=0, abs=1e-9
    )


@pytest.fixture(scope="module")
def speech():
    pairs = read_golden("asr/wer_golden.json.gz")["pairs"]
    return {f"u{i}": pair for i, pair in enumerate(pairs)}


def errors(pair):
    _, s, d, i = pair["jiwer_H_S_D_I"]
    return s + d + i


def length(pair):
    h, s, d, _ = pair["jiwer_H_S_D_I"]
    return h + s + d


@pytest.mark.parametrize("metric", ["wer", "wer_utt_mean"])
def test_speech(invoke, files, speech, metric):
    known = {i: pair for i, pair in speech.items() if length(pair)}
    assert len(known) >= 500
    texts = {i: pair["hyp"] for i, pair in known.items()}
    references = {i: [pair["ref"]] for i, pair in known.items()}
    shown = score(invoke, metric, *files(texts, references), "--set", "norm=none")
    rates = {i: 100 * errors(pair) / length(pair) for i, pair in known.items()}
    total = 100 * sum(map(errors, known.values())) / sum(map(length, known.values()))
    value = total if metric == "wer" else sum(rates.values()) / len(rates)
    assert shown["value"] == pytest.approx(value, rel=0, abs=1e-9)
    assert shown["per_sample"] == pytest.approx(rates, rel=0, abs=1e-9)
    aggregate = "corpus" if metric == "wer" else "utt-mean"
    assert shown["signature"] == f"{metric}|agg:{aggregate}|norm:none|asr:-|n:{len(known)}|{V}"


def test_cer(invoke, files):
    import jiwer

    references = {"a": ["the cat sat"], "b": ["dog"], "c": ["one two three"]}
    texts = {"a": "the cats sat", "b": "", "c": "one too three four"}
    shown = score(invoke, "cer", *files(texts, references), "--set", "norm=none")
    wanted = jiwer.cer([r for (r,) in references.values()], list(texts.values()))
    assert shown["value"] == pytest.approx(100 * wanted, rel=0, abs=1e-9)
    assert shown["per_sample"]["b"] == 100.0
    assert shown["signature"] == f"cer|agg:corpus|norm:none|asr:-|n:3|{V}"


def test_default_normaliser_is_whispers(invoke, files):
    texts = {"a": "Mr. Brown's 2 dogs, they're here!"}
    references = {"a": ["MISTER BROWN'S TWO DOGS THEY ARE HERE"]}
    shown = score(invoke, "wer", *files(texts, references))
    assert shown["value"] == 0.0
    assert "norm:whisper-en" in shown["signature"]
    assert score(invoke, "wer", *files(texts, references), "--set", "norm=none")["value"] > 0


def test_one_cluster_has_no_interval(invoke, tmp_path):
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": i, "text": "a b"} for i in "xyz"])
    rows = [{"id": i, "references": [f"a {i}"], "cluster": "speaker"} for i in "xyz"]
    wanted = write_jsonl(tmp_path / "r.jsonl", rows)
    shown = score(invoke, "wer", given, wanted)
    assert (shown["value"], shown["ci_low"], shown["ci_high"]) == (50.0, None, None)


def test_text_output(invoke, captions, references):
    ended = invoke("metric", "cider", "--predictions", captions, "--references", references)
    first, signature = ended.out.splitlines()
    assert first.startswith("cider 498.15  95 % [")
    assert first.endswith("]  scored 12/12")
    assert signature == f"cider|tok:{TOKENIZER}|df:split|n:12|refs:5|{V}"


def test_text_output_with_unit(invoke, files):
    given, wanted = files({"a": "x", "b": "y z"}, {"a": ["x"], "b": ["y y"]})
    ended = invoke("metric", "wer", "--predictions", given, "--references", wanted)
    assert ended.out.startswith("wer 33.33 %  95 % [0.00, 50.00]  scored 2/2\n")


def test_json_without_per_sample(invoke, captions, references):
    ended = invoke(
        "metric", "bleu4", "--predictions", captions, "--references", references, "--json"
    )
    assert list(json.loads(ended.out)) == KEYS[:-1]
    assert len(ended.out.splitlines()) == 1


def test_no_value_is_null(invoke, files):
    given, wanted = files({}, {"a": ["x"]})
    ended = invoke(
        *("metric", "wer", "--predictions", given, "--references", wanted),
        *("--json", "--per-sample", "--allow-partial"),
    )
    shown = json.loads(ended.out)
    assert (shown["value"], shown["ci_low"], shown["per_sample"]) == (None, None, {})
    assert (shown["n_expected"], shown["n_scored"], shown["n_failed"]) == (1, 0, 1)
    assert ended.code == 4


def test_empty_reference_is_noted(invoke, files):
    given, wanted = files({"a": "x", "b": "y"}, {"a": [""], "b": ["y"]})
    ended = invoke("metric", "wer", "--predictions", given, "--references", wanted)
    assert ended.out.startswith("wer 100.00 %")
    assert "note: 1 empty reference" in ended.out


def test_subset_does_not_change_an_image(invoke, data_dir, captions):
    """CIDEr's document frequencies are the full split's, whatever --limit says."""

    def per_image(out, *options):
        ended = invoke(
            *("run", "--tasks", "coco_caption", "--data-dir", data_dir, "--out", out),
            *("--model", "predictions", "--model-args", f"path={captions}", *options),
        )
        assert ended.code == 0
        (stats,) = Path(out).glob("*/coco_caption/stats.jsonl")
        lines = map(json.loads, stats.read_text().splitlines())
        return {line["id"]: line["scores"]["cider"] for line in lines}

    whole, limited = per_image("whole"), per_image("limited", "--limit", "5")
    assert len(whole) == 12
    assert limited == {i: whole[i] for i in map(str, range(1000, 1005))}


def test_visual_questions(invoke, tmp_path):
    answers = {
        "agreed": ["cat"] * 10,
        "split": ["cat"] * 2 + ["dog"] * 8,
        "other": ["cat"] * 10,
    }
    given = write_jsonl(
        tmp_path / "p.jsonl",
        [{"id": i, "text": t} for i, t in zip(answers, ("cat", "cat", "dog"), strict=True)],
    )
    rows = [{"id": i, "question": "What is it?", "answers": a} for i, a in answers.items()]
    found = score(invoke, "vqa_acc", given, write_jsonl(tmp_path / "r.jsonl", rows))
    # Two of ten agree: min(1/3, 1) when one of the two is left out, else min(2/3, 1).
    assert found["per_sample"] == pytest.approx({"agreed": 100.0, "split": 60.0, "other": 0.0})
    assert found["signature"].startswith("vqa_acc|variant:gt-vision-lab-2021|answers:none|n:3|")


def test_choices(invoke, tmp_path):
    texts = {"letter": "B.", "words": "a red bus", "wrong": "(A)"}
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": i, "text": t} for i, t in texts.items()])
    choices = ["a blue car", "a red bus", "a boat", "a bike"]
    rows = [{"id": i, "choices": choices, "answer": "B"} for i in texts]
    found = score(invoke, "choice_acc", given, write_jsonl(tmp_path / "r.jsonl", rows))
    assert found["per_sample"] == {"letter": 100.0, "words": 100.0, "wrong": 0.0}
    assert found["signature"].startswith("choice_acc|rule:letter-1|n:3|")


def test_choices_without_an_answer(invoke, tmp_path):
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": "1", "text": "B"}])
    wanted = write_jsonl(tmp_path / "r.jsonl", [{"id": "1", "choices": ["x", "y"]}])
    ended = invoke("metric", "choice_acc", "--predictions", given, "--references", wanted)
    assert ended.code == 2
    assert 'line 1: expected "answer": the letter of the right choice' in ended.err


def test_an_error_rate_is_against_one_reference(invoke, tmp_path):
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": i, "text": "a b"} for i in "xy"])
    rows = [{"id": "x", "references": ["a b"]}, {"id": "y", "references": ["a b", "a c"]}]
    wanted = write_jsonl(tmp_path / "r.jsonl", rows)
    ended = invoke("metric", "wer", "--predictions", given, "--references", wanted, "--json")
    assert ended.code == 4
    shown = json.loads(ended.out)
    assert (shown["value"], shown["n_scored"], shown["n_failed"]) == (0.0, 1, 1)


def test_acc_is_lm_evals_and_scores_no_files(invoke, tmp_path):
    """Its signature says that lm-eval asked; a file of letters is choice_acc's."""
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": "1", "text": "A"}])
    wanted = write_jsonl(tmp_path / "r.jsonl", [{"id": "1", "references": ["A"]}])
    ended = invoke("metric", "acc", "--predictions", given, "--references", wanted)
    assert ended.code == 2
    assert "use choice_acc" in ended.err


def test_a_metric_that_needs_a_judge_scores_no_files(invoke, tmp_path):
    given = write_jsonl(tmp_path / "p.jsonl", [{"id": "1", "text": "A"}])
    wanted = write_jsonl(tmp_path / "r.jsonl", [{"id": "1", "references": ["A"]}])
    for name, judge in (("fid", "inception"), ("clip_i", "clip")):
        ended = invoke("metric", name, "--predictions", given, "--references", wanted)
        assert ended.code == 2
        assert f"needs the judge {judge}" in ended.err

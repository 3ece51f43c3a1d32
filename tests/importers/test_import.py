"""Results of other harnesses become baselines that compare and gate take, and never silently."""

from __future__ import annotations

import json

import pytest
from conftest import write_jsonl
from importers.files import RIGHT, write_lm_eval, write_lmms_eval

from mio_eval import load_run
from mio_eval.comparison import compare
from mio_eval.comparison.baseline import read_baseline
from mio_eval.errors import IncomparableError, UsageError
from mio_eval.export import export_run
from mio_eval.gating import gate
from mio_eval.importers import import_results
from mio_eval.stats import bootstrap_interval

OTHER = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
ALL = ("task", "split", "prompt", "prompt_style", "separator", "generation", "data", "signature")


def test_lm_eval_per_sample(tmp_path):
    path = write_lm_eval(tmp_path / "in", {"quiz": RIGHT})
    done = import_results(path, "lm-eval", tmp_path / "b.json")
    assert done.rows == (("quiz", "acc", "paired"),)
    baseline = read_baseline(tmp_path / "b.json")
    score = baseline.data["results"]["quiz"]["acc"]
    assert score["value"] == pytest.approx(70.0, abs=1e-12)
    assert score["unit"] == "×100"
    assert score["signature"] == (
        "acc|via:lm-eval|version:0.4.13|filter:none|agg:mean-of-samples|n:10|v:0.1.0"
    )
    assert (score["n_expected"], score["n_scored"], score["n_failed"]) == (10, 10, 0)
    rows = baseline.rows("quiz", "acc")
    assert list(rows.scores) == [100.0 * v for v in RIGHT]
    interval = bootstrap_interval(rows.values, rows.ids, lambda s: 100 * s[..., 0] / s[..., 1])
    assert (score["ci_low"], score["ci_high"]) == (interval.low, interval.high)


def test_two_imports_are_compared_paired(tmp_path):
    """As scipy has it for the differences of the same ten samples."""
    files = []
    for name, values in (("a", RIGHT), ("b", OTHER)):
        path = write_lm_eval(tmp_path / name, {"quiz": values})
        files.append(import_results(path, "lm-eval", tmp_path / f"{name}.json").path)
    (row,) = compare(*files).rows
    assert row.method == "paired"
    assert row.difference == pytest.approx(-30.0)
    assert (row.wins, row.ties, row.losses) == (0, 7, 3)
    assert row.p_mcnemar == pytest.approx(0.125)  # mid-p of 3 against 0: 2·½³ − ½³
    verdict = gate(
        load_baseline_as_run(files[1]),
        files[0],
        {"version": 1, "rules": [{"task": "quiz", "metric": "acc", "margin": 1}]},
    )
    assert verdict.verdict in ("NO-GO", "INCONCLUSIVE")


def load_baseline_as_run(path):
    return read_baseline(path)


def test_other_metrics_keep_their_harness_in_their_name(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT}, metric="exact_match", chosen="strict-match")
    done = import_results(path, "lm-eval", tmp_path / "b.json")
    assert done.rows == (("t", "exact_match:strict-match@lm-eval", "paired"),)
    baseline = read_baseline(tmp_path / "b.json")
    (score,) = baseline.data["results"]["t"].values()
    assert score["value"] == pytest.approx(0.7, abs=1e-12)
    assert "|via:lm-eval|" in score["signature"]
    again = import_results(path, "lm-eval", tmp_path / "c.json")
    (row,) = compare(tmp_path / "b.json", again.path).rows
    assert row.difference == 0.0


def test_value_that_is_no_mean_of_its_samples_is_unpaired(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT}, metric="bleu", reported={"t": 31.5})
    done = import_results(path, "lm-eval", tmp_path / "b.json")
    ((_, _, how),) = done.rows
    assert how == "unpaired: it is not the mean of its samples (0.7, reported 31.5)"
    baseline = read_baseline(tmp_path / "b.json")
    (score,) = baseline.data["results"]["t"].values()
    assert score["value"] == 31.5
    assert "agg:as-reported" in score["signature"]
    assert baseline.rows("t", "bleu@lm-eval") is None
    half = (score["ci_high"] - score["ci_low"]) / 2
    assert half == pytest.approx(1.959963984540054 * 0.1, abs=1e-9)
    (row,) = compare(tmp_path / "b.json", tmp_path / "b.json").rows
    assert row.method == "unpaired"


def test_without_samples_all_is_unpaired(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT}, samples=False)
    done = import_results(path, "lm-eval", tmp_path / "b.json")
    assert done.rows == (("t", "acc", "unpaired: no samples beside the results file"),)
    score = read_baseline(tmp_path / "b.json").data["results"]["t"]["acc"]
    assert score["value"] == 70.0
    assert score["n_scored"] == 10


def test_group_of_tasks(tmp_path):
    """MMLU's subjects become one task, each sample under `subject/number`, as our task has them."""
    values = {"mmlu_law": RIGHT, "mmlu_art": OTHER[:5]}
    mean = sum(sum(v) for v in values.values()) / 15
    path = write_lm_eval(
        tmp_path,
        values,
        groups={"mmlu": ["mmlu_all"], "mmlu_all": list(values)},
        reported={"mmlu": mean},
    )
    done = import_results(path, "lm-eval", tmp_path / "b.json", tasks={"mmlu": "mmlu"})
    assert done.rows == (("mmlu", "acc", "paired"),)
    rows = read_baseline(tmp_path / "b.json").rows("mmlu", "acc")
    assert len(rows.ids) == 15
    assert "law/9" in rows.ids
    assert set(rows.clusters) == {"law", "art"}


def test_ids_from_a_field(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT})
    import_results(path, "lm-eval", tmp_path / "b.json", id_field="doc.name")
    assert read_baseline(tmp_path / "b.json").rows("t", "acc").ids[0] == "n0"
    with pytest.raises(UsageError, match=r"no field 'doc.nam'"):
        import_results(path, "lm-eval", tmp_path / "b.json", id_field="doc.nam")


def there_and_back(run, folder):
    """Import what `run` exports in lm-eval's format: `folder/b.json`."""
    export_run(run, "lm-eval", folder / "out")
    return import_results(
        folder / "out",
        "lm-eval",
        folder / "b.json",
        metrics={"wer_utt_mean": "wer_utt_mean"},
        scales={"wer_utt_mean": 1.0},
    )


def test_our_own_export_comes_back(speech, tmp_path):
    """lm-eval's format there and back: the same samples, the same failures, no difference."""
    done = there_and_back(speech, tmp_path)
    how = {metric: why for _, metric, why in done.rows}
    assert how["cer@lm-eval"].startswith("unpaired: it is not the mean of its samples")
    assert how["wer_utt_mean"] == "paired"
    baseline = read_baseline(tmp_path / "b.json")
    own = load_run(speech)
    for score in baseline.data["results"]["librispeech"].values():
        assert (score["n_expected"], score["n_scored"], score["n_failed"]) == (12, 9, 3)
    assert baseline.rows("librispeech", "wer_utt_mean").ids == own.rows("librispeech", "wer").ids
    with pytest.raises(IncomparableError, match=r"signature\.wer_utt_mean\.via"):
        compare(speech, tmp_path / "b.json")
    result = compare(speech, tmp_path / "b.json", allow_different=ALL)
    (row,) = result.rows
    assert (row.metric, row.method) == ("wer_utt_mean", "paired")
    assert row.difference == pytest.approx(0.0, abs=1e-9)
    assert row.only_first == row.only_second == 0
    assert "via" in " ".join(str(d) for _, d in result.differences)


def test_gate_refuses_an_import_until_told(speech, tmp_path):
    baseline = there_and_back(speech, tmp_path).path
    rule = {"task": "librispeech", "metric": "wer_utt_mean", "margin": 1, "max_failures": 3}
    refused = gate(speech, baseline, {"version": 1, "rules": [rule]})
    assert refused.verdict == "INCONCLUSIVE"
    assert any("via" in reason for reason in refused.reasons)
    told = gate(speech, baseline, {"version": 1, "rules": [rule]}, allow_different=ALL)
    assert told.rules


def test_lmms_eval(tmp_path):
    scores = [{"question_id": i, "score": v} for i, v in enumerate(RIGHT)]
    place = write_lmms_eval(
        tmp_path / "in",
        "mmbench",
        {
            "acc_score": (70.0, scores),  # reported ×100 of the samples' own scale
            "exact_match": (0.7, RIGHT),
            "coco_CIDEr": (1.21, [{"pred": "a", "answer": ["b"]}] * 10),
        },
    )
    done = import_results(
        place,
        "lmms-eval",
        tmp_path / "b.json",
        metrics={"acc_score": "choice_acc"},
        scales={"acc_score": 1.0},
    )
    how = {metric: why for _, metric, why in done.rows}
    assert how["choice_acc"] == "paired"
    assert how["exact_match@lmms-eval"] == "paired"
    assert how["coco_CIDEr@lmms-eval"] == "unpaired: not every sample has a value"
    baseline = read_baseline(tmp_path / "b.json")
    score = baseline.data["results"]["mmbench"]["choice_acc"]
    assert score["value"] == pytest.approx(70.0)
    assert "|via:lmms-eval|version:0.7.0|" in score["signature"]
    assert list(baseline.rows("mmbench", "choice_acc").scores) == [100.0 * v for v in RIGHT]


def test_scale_must_be_said(tmp_path):
    place = write_lmms_eval(tmp_path / "in", "t", {"em": (0.7, RIGHT)})
    with pytest.raises(UsageError, match=r"--scale em=1 or --scale em=100"):
        import_results(place, "lmms-eval", tmp_path / "b.json", metrics={"em": "choice_acc"})


def test_metric_of_ours_that_is_no_mean(tmp_path):
    place = write_lmms_eval(tmp_path / "in", "t", {"wer": (0.7, RIGHT)})
    done = import_results(
        place, "lmms-eval", tmp_path / "b.json", metrics={"wer": "wer"}, scales={"wer": 100.0}
    )
    assert done.rows == (("t", "wer", "unpaired: wer is no mean of its samples' values"),)
    assert read_baseline(tmp_path / "b.json").data["results"]["t"]["wer"]["value"] == 70.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot read"),
        ("[]", "is no results file"),
        ('{"results": {"t": 1}}', "is no results file"),
        ('{"results": {"t": {"acc,none": NaN}}}', "has no score to import"),
    ],
)
def test_files_that_are_none(content, said, tmp_path):
    path = tmp_path / "results_1.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        import_results(path, "lm-eval", tmp_path / "b.json")


def test_folders_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        import_results(tmp_path / "none", "lm-eval", tmp_path / "b.json")
    with pytest.raises(UsageError, match="holds no results file"):
        import_results(tmp_path, "lm-eval", tmp_path / "b.json")
    for name in ("1", "2"):
        (tmp_path / f"results_{name}.json").write_text("{}")
    with pytest.raises(UsageError, match="give one of them"):
        import_results(tmp_path, "lm-eval", tmp_path / "b.json")


def test_damaged_samples(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT})
    (samples,) = path.parent.glob("samples_*")
    samples.write_text(samples.read_text() + "{\n")
    with pytest.raises(UsageError, match="line 11 is no sample"):
        import_results(path, "lm-eval", tmp_path / "b.json")


def test_names_that_are_not_there(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT})
    with pytest.raises(UsageError, match="unknown task of"):
        import_results(path, "lm-eval", tmp_path / "b.json", tasks={"x": "y"})
    with pytest.raises(UsageError, match="no imported task has this metric"):
        import_results(path, "lm-eval", tmp_path / "b.json", scales={"acd": 1.0})
    with pytest.raises(UsageError, match="unknown harness"):
        import_results(path, "helm", tmp_path / "b.json")


def test_file_is_strict_json(tmp_path):
    path = write_lm_eval(tmp_path, {"t": RIGHT})
    content = json.loads(path.read_text())
    content["results"]["t"]["f1,none"] = float("inf")
    path.write_text(json.dumps(content))
    import_results(path, "lm-eval", tmp_path / "b.json")
    assert "Infinity" not in (tmp_path / "b.json").read_text()


def test_real_run_of_lm_eval(tmp_path, monkeypatch):
    """lm-eval itself, with a small model of its own interface, on a task in a file."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    class Short(LM):
        """Prefers "b" after every third question, "a" after the others."""

        def loglikelihood(self, requests):
            likes = ["b" if int(r.args[0].split("+")[0]) % 3 else "a" for r in requests]
            return [
                (-0.5 if like in r.args[1] else -len(r.args[1]), False)
                for like, r in zip(likes, requests, strict=True)
            ]

        generate_until = loglikelihood_rolling = None

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": f"{i}+1?", "choices": ["a", "b", "c"], "answer": i % 3} for i in range(20)]
    write_jsonl(tmp_path / "q.jsonl", rows)
    task = {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "q.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    tracker = EvaluationTracker(output_path=str(tmp_path / "out"))
    results = simple_evaluate(
        model=Short(),
        tasks=[task],
        evaluation_tracker=tracker,
        task_manager=TaskManager(include_defaults=False),
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results, samples)
    tracker.save_results_samples("sums", samples["sums"])
    done = import_results(next(tmp_path.glob("out/*")), "lm-eval", tmp_path / "b.json")
    assert done.rows == (("sums", "acc", "paired"), ("sums", "acc_norm@lm-eval", "paired"))
    scores = read_baseline(tmp_path / "b.json").data["results"]["sums"]
    assert 0 < scores["acc"]["value"] < 100
    assert scores["acc"]["value"] == pytest.approx(100 * results["results"]["sums"]["acc,none"])
    assert "|version:0.4.13|" in scores["acc"]["signature"]
    assert scores["acc_norm@lm-eval"]["value"] == pytest.approx(
        results["results"]["sums"]["acc_norm,none"]
    )


def test_values_that_are_no_numbers_are_said(tmp_path):
    """A metric that came to NaN is a failure of theirs: it does not vanish."""
    path = write_lm_eval(tmp_path / "in", {"quiz": RIGHT})
    content = json.loads(path.read_text())
    content["results"]["quiz"] |= {"f1,none": float("nan"), "em,none": "N/A"}
    path.write_text(json.dumps(content))
    done = import_results(path, "lm-eval", tmp_path / "b.json")
    assert done.rows == (("quiz", "acc", "paired"),)
    assert done.left_out == (
        "quiz: f1,none: its value is no number",
        "quiz: em,none: its value is no number",
    )


def test_a_metric_of_the_other_direction_is_said(tmp_path):
    path = write_lm_eval(tmp_path / "in", {"quiz": RIGHT}, samples=False)
    done = import_results(
        path, "lm-eval", tmp_path / "b.json", metrics={"acc": "wer"}, scales={"acc": 100.0}
    )
    said = "OTHER DIRECTION: lm-eval says that higher is better, our wer that lower is"
    assert said in done.rows[0][2]
    score = read_baseline(tmp_path / "b.json").data["results"]["quiz"]["wer"]
    assert said in score["note"]


def test_counts_of_our_own_export_are_kept(module_runs, tmp_path):
    """Samples with an output that a judge failed on are in no count of lm-eval's format."""
    run = module_runs(change=dict.fromkeys(["100-7-0000", "100-7-0001"], "no"), name="counted")
    path = run / "librispeech" / "stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines[:2]:
        line |= {"stats": {}, "scores": {}}
    write_jsonl(path, lines)
    data = json.loads((run / "run.json").read_text())
    for score in data["results"]["librispeech"].values():
        score |= {"n_scored": 10, "n_failed": 2}
    (run / "run.json").write_text(json.dumps(data))
    results = export_run(run, "lm-eval", tmp_path / "out")[0]
    import_results(results, "lm-eval", tmp_path / "b.json")
    score = read_baseline(tmp_path / "b.json").data["results"]["librispeech"]["wer@lm-eval"]
    assert (score["n_expected"], score["n_scored"], score["n_failed"]) == (12, 10, 2)


def test_another_scale_or_direction_is_another_definition(tmp_path):
    """0.7 and 70 of one metric are no difference of 69.3."""
    path = write_lm_eval(tmp_path / "in", {"quiz": RIGHT}, metric="em")
    files = [
        import_results(path, "lm-eval", tmp_path / f"{i}.json", scales=scales).path
        for i, scales in enumerate(({}, {"em": 1.0}, {"em": 100.0}))
    ]
    assert compare(files[0], files[1]).rows[0].difference == 0.0
    with pytest.raises(IncomparableError, match=r"signature\.em@lm-eval\.scale is absent / '100'"):
        compare(files[0], files[2])
    content = json.loads(path.read_text())
    content["higher_is_better"]["quiz"]["em"] = False
    path.write_text(json.dumps(content))
    other = import_results(path, "lm-eval", tmp_path / "other.json").path
    with pytest.raises(IncomparableError, match=r"signature\.em@lm-eval\.higher_is_better"):
        compare(files[0], other)


def test_a_failed_run_of_ours_is_no_baseline(module_runs, tmp_path):
    run = module_runs(drop=3, name="unfit", max_failures="0")
    results = export_run(run, "lm-eval", tmp_path / "out")[0]
    ours = {"metrics": {"wer": "wer"}, "scales": {"wer": 1.0}}
    baseline = import_results(results, "lm-eval", tmp_path / "b.json", **ours).path
    assert read_baseline(baseline).data["status"] == "failed"
    rule = {"task": "librispeech", "metric": "wer", "margin": 1.0}
    good = import_results(
        export_run(module_runs(name="fit"), "lm-eval", tmp_path / "fit")[0],
        "lm-eval",
        tmp_path / "good.json",
        **ours,
    ).path
    found = gate(read_baseline(good), baseline, {"version": 1, "rules": [rule]})
    assert found.verdict == "INCONCLUSIVE"
    assert "the baseline's status is failed" in found.reasons[0]

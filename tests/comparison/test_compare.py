"""Comparing runs: the numbers, who is refused and why, failures, published rows."""

from __future__ import annotations

import io
import json
import re
import shutil

import numpy as np
import pytest
from prediction_runs import SPEECH_IDS
from rich.console import Console

from mio_eval import compare, load_run
from mio_eval.comparison.baseline import read_baseline, write_baseline
from mio_eval.comparison.terminal import print_comparison
from mio_eval.errors import IncomparableError, UsageError
from mio_eval.jsonio import digest
from mio_eval.metrics import get_metric


def edit(run, change):
    """Change run.json."""
    path = run / "run.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_numbers(runs):
    """Every number of a row against its definition, computed apart."""
    bad = dict.fromkeys(SPEECH_IDS[::2], "nothing at all")
    one, two = runs(name="a"), runs(change=bad, name="b")
    (row,) = [r for r in compare(one, two, metrics=["wer"]).rows if r.metric == "wer"]
    a, b = (load_run(path).rows("librispeech", "wer") for path in (one, two))
    assert a.ids == b.ids == tuple(sorted(SPEECH_IDS))

    def wer(table):
        return 100 * table[:, :3].sum() / table[:, 3].sum()

    assert (row.value_first, row.value_second) == (0.0, pytest.approx(wer(b.values)))
    assert row.difference == row.value_second - row.value_first
    assert (row.n_shared, row.only_first, row.only_second) == (12, 0, 0)
    assert (row.wins, row.ties, row.losses) == (0, 6, 6)
    assert row.clusters == 3
    # The bootstrap of three speakers, draw by draw.
    speakers = sorted(set(a.clusters))
    stream = np.random.PCG64(12345)
    found = []
    for _ in range(2000):
        drawn = [int(stream.random_raw() >> 32) * 3 >> 32 for _ in speakers]
        pick = [i for d in drawn for i, c in enumerate(b.clusters) if c == speakers[d]]
        found.append(wer(b.values[pick]) - wer(a.values[pick]))
    found.sort()
    result = compare(one, two, metrics=["wer"], resamples=2000).rows[0]
    assert (result.ci_low, result.ci_high) == pytest.approx((found[50], found[-51]), abs=1e-12)
    assert result.standard_error == pytest.approx(np.std(found, ddof=1), rel=1e-9)
    centred = np.abs(np.array(found) - np.mean(found))
    share = (np.sum(centred >= result.difference) + 1) / 2001
    assert result.p_bootstrap == pytest.approx(share)
    # Of 2³ ways to swap three speakers, all or none gives the largest difference.
    assert result.p_randomisation == pytest.approx(0.25, abs=0.03)
    assert result.p_mcnemar is None
    assert result.p_holm == result.p_randomisation
    assert result.verdict == "no difference"


def test_equal_runs_are_no_different(runs):
    one, two = runs("coco_caption", name="a"), runs("coco_caption", name="b")
    for row in compare(one, two).rows:
        assert row.difference == 0.0
        assert (row.ci_low, row.ci_high) == (0.0, 0.0)
        assert row.p_bootstrap == row.p_randomisation == 1.0
        assert (row.wins, row.ties, row.losses) == (0, 12, 0)
        assert row.changed == ()


def test_a_regression_is_found_and_its_samples_are_named(runs):
    bad = {str(1000 + i): "a thing" for i in range(10)}
    one, two = runs("coco_caption", name="a"), runs("coco_caption", change=bad, name="b")
    result = compare(one, two, top=3)
    (cider,) = [row for row in result.rows if row.primary]
    assert cider.metric == "cider"
    assert cider.verdict == "worse"
    assert result.regressions == [cider]  # the others are outside the family
    assert cider.ci_high < 0
    assert len(cider.changed) == 3
    assert all(sample.second < sample.first for sample in cider.changed)
    assert all(sample.output_second == "a thing" for sample in cider.changed)
    assert cider.changed[0].first - cider.changed[0].second == max(
        s.first - s.second for s in compare(one, two, top=12).rows[0].changed
    )
    (swapped,) = [row for row in compare(two, one).rows if row.primary]
    assert swapped.verdict == "better"
    assert (swapped.wins, swapped.losses) == (cider.losses, cider.wins)


def test_holm_is_over_tasks_and_runs(runs):
    bad = {str(1000 + i): "a thing" for i in range(10)}
    one = runs("coco_caption,librispeech", name="a")
    two = runs("coco_caption,librispeech", change=bad, name="b")
    three = runs("coco_caption,librispeech", change=bad, name="c")
    result = compare(one, two, three)
    family = [row for row in result.rows if row.p_holm is not None]
    assert [(row.second, row.task, row.metric) for row in family] == [
        (two.name, "coco_caption", "cider"),
        (two.name, "librispeech", "wer"),
        (three.name, "coco_caption", "cider"),
        (three.name, "librispeech", "wer"),
    ]
    assert family[0].p_holm == pytest.approx(min(1.0, 4 * family[0].p))
    asked = compare(one, two, metrics=["cider", "bleu4"])
    assert [row.p_holm is not None for row in asked.rows] == [True, True]


@pytest.mark.parametrize(
    ("options", "field", "shown"),
    [
        ({"prompt_style": "mio-base"}, "prompt_style", "prompt_style is 'plain' / 'mio-base'"),
        ({"separator": " "}, "separator", r"separator is '\n' / ' '"),
        ({"metric_settings": ("wer.norm=none",)}, "signature.wer.norm", "'whisper-en' / 'none'"),
        ({"limit": 8}, "data", "data.limit is absent / 8"),
    ],
)
def test_different_settings_are_refused_by_name(runs, options, field, shown):
    one, two = runs(name="a"), runs(name="b", **options)
    with pytest.raises(IncomparableError) as refused:
        compare(one, two)
    assert shown in str(refused.value)
    assert f"--allow-different {field}" in str(refused.value)
    assert refused.value.exit_code == 3
    also = ["prompt"] if field == "prompt_style" else []
    result = compare(one, two, allow_different=[field, *also])
    assert any(d.field.startswith(field) for _, d in result.differences)
    assert result.to_json()["allow_different"] == [field, *also]
    assert result.to_json()["allowed_differences"][0]["with"] == two.name


def test_group_and_pattern_allow_too(runs):
    one, two = runs(name="a"), runs(name="b", metric_settings=("wer.norm=none",))
    assert compare(one, two, allow_different=["signature"]).rows
    assert compare(one, two, allow_different=["signature.*.norm"]).rows
    with pytest.raises(IncomparableError):
        compare(one, two, allow_different=["signature.wer.agg"])
    with pytest.raises(UsageError, match="did you mean signature"):
        compare(one, two, allow_different=["signatur"])


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("tasks", "librispeech", "version"), 7, "task.version"),
        (("tasks", "librispeech", "sha256"), "0", "task.sha256"),
        (("tasks", "librispeech", "split"), "dev", "split"),
        (("tasks", "librispeech", "generation"), {"max_new_tokens": 3}, "generation."),
        (("tasks", "librispeech", "judges"), {"asr": "x"}, "judges.asr"),
        (("data", "librispeech", "sha256"), "0", "data.sha256"),
    ],
)
def test_every_recorded_setting_counts(runs, path, value, field):
    one, two = runs(name="a"), runs(name="b")

    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    edit(two, change)
    with pytest.raises(IncomparableError, match=field.replace(".", r"\.")):
        compare(one, two)


def test_another_seed_and_another_batch_size_are_no_difference(runs):
    one, two = runs(name="a", seed=1), runs(name="b", seed=2, batch_size=3)
    assert compare(one, two).differences == ()


def test_failures_are_left_out_and_said(runs):
    one, two = runs(name="a"), runs(name="b", drop=4)
    row = compare(one, two, metrics=["wer"]).rows[0]
    assert (row.n_shared, row.only_first, row.only_second) == (8, 4, 0)
    assert (row.failed_first, row.failed_second) == (0, 4)
    assert "FAILED SAMPLES: 0 of 12 in" in row.notes[0]
    assert "4 of 12 in" in row.notes[0]
    assert row.value_second == 0.0


def test_limit_allowed_compares_shared_samples(runs):
    one, two = runs(name="a"), runs(name="b", limit=5)
    row = compare(one, two, allow_different=["data"], metrics=["wer"]).rows[0]
    assert (row.n_shared, row.only_first) == (5, 7)
    assert row.notes == ("OTHER DATA: 0 of 5 shared samples differ in content",)


def test_same_ids_with_other_content_are_said(runs):
    """An id alone does not make two samples one."""
    one, two = runs(name="a"), runs(name="b")
    path = two / "librispeech" / "samples.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records[:3]:
        record["content"] = "0"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    edit(two, lambda data: data["data"]["librispeech"].update(sha256="0"))
    row = compare(one, two, allow_different=["data"]).rows[0]
    assert row.notes[-1] == "OTHER DATA: 3 of 12 shared samples differ in content"


def test_nothing_shared(runs):
    one, two = runs(name="a"), runs("coco_caption", name="b")
    with pytest.raises(IncomparableError, match="share no task and metric"):
        compare(one, two)
    both = runs("coco_caption,librispeech", name="c")
    assert compare(one, both).missing == (f"task coco_caption is in {both.name} only",)


def test_binary_answers_have_mcnemar():
    from mio_eval.comparison.pairing import _discordant, _Paired
    from mio_eval.load import MetricRows

    metric = get_metric("acc")

    def table(right):
        values = np.column_stack([right, np.ones(len(right))]).astype(float)
        ids = tuple(map(str, range(len(right))))
        return MetricRows(ids, ids, values, tuple(metric.per_sample(values).tolist()))

    member = _Paired(None, metric, table([1, 1, 1, 0, 0]), table([1, 0, 0, 1, 0]))
    assert _discordant(member) == (2, 1)
    member = _Paired(None, metric, table([0, 0, 0]), table([0, 1, 0]))
    assert _discordant(member) == (0, 1)


def test_published_row_is_unpaired_and_says_so(runs):
    run = runs("coco_caption", name="a")
    with pytest.raises(IncomparableError, match=r"data\.published is '12 samples"):
        compare(run, "published:MIO-Instruct")
    result = compare(run, "published:mio-instruct", allow_different=["data"])
    (row,) = result.rows
    assert (row.method, row.metric, row.value_second) == ("unpaired", "cider", 120.4)
    assert row.p_randomisation is row.p_bootstrap is row.wins is None
    assert row.notes[-1].startswith("UNPAIRED: the published row has no per-sample data")
    # √2 standard errors of this run, whose jackknife is that of a mean here.
    scores = np.array(load_run(run).rows("coco_caption", "cider").scores)
    error = scores.std(ddof=1) / np.sqrt(12) * np.sqrt(2)
    assert row.standard_error == pytest.approx(error, rel=1e-9)
    assert row.ci_high - row.difference == pytest.approx(1.959963984540054 * error, rel=1e-9)
    with pytest.raises(UsageError, match="unknown published row"):
        compare(run, "published:nobody")
    with pytest.raises(UsageError, match="at least one run"):
        compare("published:MIO-Instruct", "published:MIO-Base")


def test_no_spread_is_no_certainty(runs, tmp_path):
    """A dozen right answers do not prove that a published number is beaten."""
    perfect = runs(name="a")
    (row,) = compare(perfect, "published:MIO-Base", allow_different=["data"]).rows
    assert row.difference == pytest.approx(6.3)
    assert row.p_unpaired is row.ci_low is row.standard_error is row.mde is None
    assert row.verdict == "untested"
    assert "all samples of one side are alike" in row.notes[-1]
    worse = runs(change=dict.fromkeys(SPEECH_IDS, "no"), name="b")
    baseline = write_baseline(perfect, tmp_path / "b.json", aggregates=True)
    row = compare(baseline, worse, metrics=["wer"]).rows[0]
    assert (row.method, row.verdict, row.p_unpaired) == ("unpaired", "untested", None)


def test_published_row_beside_a_secondary_metric_of_other_settings(runs):
    run = runs(name="a", metric_settings=("wer.norm=none",))
    edit(run, lambda data: data["tasks"]["librispeech"].update(primary="cer"))
    with pytest.raises(IncomparableError, match=r"signature\.published is 'wer with norm=none"):
        compare(run, "published:MIO-Base", allow_different=["data", "judges"])


def test_published_row_beside_an_unfinished_run(runs):
    run = runs(name="a")
    edit(run, lambda data: data.update(status="running"))
    with pytest.raises(IncomparableError, match="not finished"):
        compare(run, "published:MIO-Base", allow_different=["data"])


@pytest.mark.parametrize("swapped", [False, True])
def test_the_coarser_clusters_are_resampled(runs, tmp_path, swapped):
    """A baseline that knows no speakers must not make twelve units of three."""
    one, two = runs(name="a"), runs(change=dict.fromkeys(SPEECH_IDS[:3], "no"), name="b")
    file = write_baseline(one, tmp_path / "b.json")
    content = json.loads(file.read_text())
    del content["sha256"]
    stored = content["statistics"]["librispeech"]
    stored["clusters"] = stored["ids"]
    file.write_text(json.dumps(content | {"sha256": digest(content)}))
    direct, through = (
        compare(*((two, first) if swapped else (first, two)), metrics=["wer"]).rows[0]
        for first in (one, file)
    )
    assert direct.clusters == through.clusters == 3
    assert (direct.ci_low, direct.ci_high) == (through.ci_low, through.ci_high)
    assert not direct.notes
    assert "cluster samples differently" in through.notes[0]


def test_results_of_one_name_are_told_apart(runs, tmp_path):
    """Run directories may have one name in different folders."""
    places = []
    for number, bad in enumerate(([], SPEECH_IDS[:1], SPEECH_IDS[:6])):
        run = runs(change=dict.fromkeys(bad, "no"), name="m")
        place = tmp_path / str(number) / "run"
        shutil.copytree(run, place)
        places.append(place)
    result = compare(*places, metrics=["wer"])
    assert result.others == (str(places[1]), str(places[2]))
    assert [row.second for row in result.rows] == list(result.others)
    buffer = io.StringIO()
    print_comparison(result, Console(file=buffer, width=200))
    assert len(re.findall(r"^ *wer ", buffer.getvalue(), re.MULTILINE)) == 2
    with pytest.raises(UsageError, match="given twice"):
        compare(places[0], places[1], places[1])


def test_baseline_file_compares_as_its_run(runs, tmp_path):
    bad = dict.fromkeys(SPEECH_IDS[:5], "no")
    one, two = runs(name="a", drop=2), runs(name="b", change=bad)
    file = write_baseline(one, tmp_path / "b.json")
    (direct, stored) = (compare(path, two, metrics=["wer"]).rows[0] for path in (one, file))
    for field in ("difference", "ci_low", "ci_high", "p_randomisation", "wins", "losses"):
        assert getattr(direct, field) == getattr(stored, field)
    small = write_baseline(two, tmp_path / "s.json", aggregates=True)
    assert small.stat().st_size < file.stat().st_size
    assert compare(small, two, metrics=["wer"]).rows[0].method == "unpaired"
    file.write_text(file.read_text().replace("librispeech", "librispeach"))
    with pytest.raises(UsageError, match="sha256 does not fit"):
        read_baseline(file)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "x"}'])
def test_file_that_is_no_baseline(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="baseline"):
        compare(path, path)


def test_usage_errors(runs, tmp_path):
    run = runs(name="a")
    for arguments, options, message in (
        ((run,), {}, "two results or more"),
        ((run, tmp_path), {}, "is not a run directory"),
        ((run, run), {"tasks": ["librispech"]}, "did you mean librispeech"),
        ((run, run), {"metrics": ["wre"]}, "did you mean wer"),
        ((run, run), {"alpha": 0}, "alpha 0"),
        ((run, run), {"alpha": float("nan")}, "alpha nan"),
        ((run, run), {"top": -1}, "top -1"),
        ((run, run), {"resamples": 5}, "resamples 5: expected 100 or more"),
    ):
        with pytest.raises(UsageError, match=message):
            compare(*arguments, **options)
    with pytest.raises(IncomparableError, match="no task and metric of those asked for"):
        compare(run, run, metrics=["cider"])


def test_unfinished_run_is_refused(runs):
    one, two = runs(name="a"), runs(name="b")
    edit(two, lambda data: data.update(status="running"))
    with pytest.raises(IncomparableError, match="not finished"):
        compare(one, two)


def test_set_metric_needs_the_same_set():
    """FID's rows are pseudo-values of one set: a part of them is no score."""
    from mio_eval.comparison.pairing import _unpairable
    from mio_eval.load import MetricRows

    metric = get_metric("fid")

    def table(ids, values):
        rows = np.column_stack([values, np.ones(len(values))])
        return MetricRows(tuple(ids), tuple(ids), rows, (None,) * len(values))

    one, two = table("abc", [1.0, 2.0, 3.0]), table("abd", [1.0, 2.0, 3.0])
    assert "the two scored sets differ" in _unpairable(metric, one, two)
    assert _unpairable(metric, one, one) == ""
    assert "none" in _unpairable(metric, one, table("abc", [2.0, 2.0, 2.0]))

"""The gate: verdicts, exit codes, policies, and what it writes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from prediction_runs import COCO_IDS, SPEECH_IDS
from scripts_loader import load_script

from mio_eval import gate
from mio_eval.comparison.baseline import write_baseline
from mio_eval.errors import UsageError
from mio_eval.gating import Check, GateResult, RuleResult
from mio_eval.gating.first_policy import first_policy
from mio_eval.gating.output import append_markdown, gate_markdown, junit
from mio_eval.gating.policy import parse_policy, read_policy

simulation = load_script("scripts/gate_sizes.py")


def policy(*rules, **options):
    return {"version": 1, "rules": list(rules), "resamples": 1000, **options}


def wer(**options):
    return {"task": "librispeech", "metric": "wer", **options}


BAD = dict.fromkeys(SPEECH_IDS, "nothing")


class TestSizesThatTheGuideRecommends:
    """2 % of answers broken are caught, another seed passes: 20 times of 20 (docs/gate.md)."""

    def test_vqa(self):
        found = simulation.simulate(simulation.vqa_world(10_000, 0.01), 0.6, resamples=400)
        assert (found.caught, found.passed) == (20, 20)
        assert 1.2 < found.effect < 1.5

    def test_wer(self):
        found = simulation.simulate(simulation.wer_world(2_620, 0.1), 0.9, resamples=400)
        assert (found.caught, found.passed) == (20, 20)
        assert 1.8 < found.effect < 2.1

    def test_too_few_samples_do_not_pass_for_enough(self):
        """The simulation can fail: a fifth of the samples misses, and says INCONCLUSIVE."""
        found = simulation.simulate(simulation.vqa_world(2_000, 0.01), 0.6, resamples=400)
        assert found.caught < 20 or found.passed < 20


def test_go_and_no_go(runs):
    one, two, three = runs(name="a"), runs(name="b"), runs(change=BAD, name="c")
    rules = policy(wer(margin=1.0))
    good = gate(two, one, rules)
    assert (good.verdict, good.exit_code, good.reasons) == ("GO", 0, ())
    bad = gate(three, one, rules)
    assert (bad.verdict, bad.exit_code) == ("NO-GO", 1)
    assert "worse by more than the margin" in bad.reasons[0]
    assert gate(one, three, rules).verdict == "GO"  # better is no regression
    assert bad.rules[0].comparison.changed


def test_inconclusive_when_the_interval_holds_both(runs):
    """One speaker of three became worse: the interval reaches from 0 to beyond the margin."""
    one, two = runs(name="a"), runs(change=dict.fromkeys(SPEECH_IDS[:2], "no"), name="b")
    found = gate(two, one, policy(wer(margin=5.0)))
    assert (found.verdict, found.exit_code) == ("INCONCLUSIVE", 3)
    assert "take more samples" in found.reasons[0]
    assert gate(two, one, policy(wer(margin=5.0, tier="supporting"))).verdict == "GO"
    assert gate(two, one, policy(wer(margin=100.0))).verdict == "GO"


def test_margin_is_held_against_the_worse_end(runs):
    """Whatever the margin, the verdict follows from the interval's ends."""
    one, two = runs(name="a"), runs(change=dict.fromkeys(SPEECH_IDS[:2], "no"), name="b")
    row = gate(two, one, policy(wer(margin=0.0))).rules[0].comparison
    assert row.ci_low == 0.0 < row.difference < row.ci_high
    for margin, outcome in ((row.ci_high, "pass"), (row.ci_high - 1e-6, "inconclusive")):
        assert gate(two, one, policy(wer(margin=margin))).rules[0].outcome == outcome
    higher = gate(one, two, policy(wer(margin=0.0)))
    assert higher.rules[0].outcome == "pass"


def test_direction_of_the_metric(runs):
    """CIDEr is better when higher."""
    bad = dict.fromkeys(COCO_IDS, "a thing")
    one, two = runs("coco_caption", name="a"), runs("coco_caption", change=bad, name="b")
    rule = {"task": "coco_caption", "metric": "cider", "margin": "5%"}
    assert gate(two, one, policy(rule)).verdict == "NO-GO"
    assert gate(one, two, policy(rule)).verdict == "GO"


def test_relative_margin_is_a_share_of_the_baseline(runs):
    half = dict.fromkeys(SPEECH_IDS[::2], "no")
    one, two = runs(change=half, name="a"), runs(change=half, name="b")
    value = gate(two, one, policy(wer(margin=0.0))).rules[0].comparison.value_first
    said = gate(two, one, policy(wer(margin="10%"))).rules[0].checks[1].message
    assert f"margin 10% = {value / 10:.2f}" in said


def test_floor_and_ceiling(runs):
    one, bad = runs(name="a"), runs(change=BAD, name="b")
    assert gate(one, one, policy(wer(ceiling=5.0))).verdict == "GO"
    found = gate(bad, bad, policy(wer(ceiling=5.0)))
    assert found.verdict == "NO-GO"
    assert "ceiling 5" in found.reasons[0]
    assert gate(one, one, policy(wer(floor=1.0))).verdict == "NO-GO"


@pytest.mark.parametrize(
    ("tier", "verdict"), [("critical", "NO-GO"), ("supporting", "NO-GO"), ("advisory", "GO")]
)
def test_tiers(runs, tier, verdict):
    one, bad = runs(name="a"), runs(change=BAD, name="b")
    found = gate(bad, one, policy(wer(margin=1.0, tier=tier)))
    assert found.rules[0].outcome == "fail"
    assert found.verdict == verdict


def test_missing_samples_fail(runs):
    one, two = runs(name="a"), runs(name="b", drop=3)
    found = gate(two, one, policy(wer(margin=1.0)))
    assert found.verdict == "NO-GO"
    assert "3 of 12 samples failed or missing, 0 allowed" in found.reasons[0]
    assert gate(two, one, policy(wer(margin=1.0, max_failures=3))).verdict == "GO"
    assert gate(two, one, policy(wer(margin=1.0, max_failures="25%"))).verdict == "GO"
    assert gate(two, one, policy(wer(margin=1.0, max_failures="24%"))).verdict == "NO-GO"


def test_missing_metric_and_task_fail(runs):
    one = runs(name="a")
    both = runs("coco_caption,librispeech", name="b")
    cider = {"task": "coco_caption", "metric": "cider", "margin": 1.0}
    found = gate(one, both, policy(cider, wer(margin=1.0)))
    assert found.verdict == "NO-GO"
    assert "the run has no results of this task" in found.reasons[0]
    meteor = {"task": "coco_caption", "metric": "meteor", "margin": 1.0}
    absent = gate(both, both, policy(meteor))
    assert absent.verdict == "NO-GO"
    assert "the run has no such metric" in absent.reasons[0]
    # Nothing to compare with is no fault of the run's.
    new = gate(both, one, policy(cider))
    assert (new.verdict, new.exit_code) == ("INCONCLUSIVE", 3)


def test_failed_run(runs):
    one, two = runs(name="a"), runs(name="b", drop=3, max_failures="0")
    found = gate(two, one, policy(wer(margin=1.0, max_failures=12)))
    assert (found.verdict, found.exit_code, found.run_failed) == ("NO-GO", 4, True)
    assert "3 of 12 samples failed" in found.reasons[0]
    other = gate(one, two, policy(wer(margin=1.0)))
    assert (other.verdict, other.exit_code) == ("INCONCLUSIVE", 3)


def test_incomparable(runs):
    one, two = runs(name="a"), runs(name="b", separator=" ")
    found = gate(two, one, policy(wer(margin=1.0)))
    assert (found.verdict, found.exit_code) == ("INCONCLUSIVE", 3)
    assert found.differences[0].field == "separator"
    allowed = gate(two, one, policy(wer(margin=1.0)), allow_different=["separator"])
    assert allowed.verdict == "GO"
    assert allowed.to_json()["allow_different"] == ["separator"]
    written = gate(two, one, policy(wer(margin=1.0), allow_different=["separator"]))
    assert written.verdict == "GO"


def test_baseline_file(runs, tmp_path):
    one, two, bad = runs(name="a"), runs(name="b"), runs(change=BAD, name="c")
    file = write_baseline(one, tmp_path / "b.json")
    rules = policy(wer(margin=1.0))
    assert gate(two, file, rules).verdict == "GO"
    assert gate(bad, file, rules).to_json()["rules"] == [
        {**rule, "comparison": {**rule["comparison"], "first": "b.json", "changed": ANY}}
        for rule in gate(bad, one, rules).to_json()["rules"]
    ]


class _Any:
    def __eq__(self, other):
        return True

    __hash__ = None


ANY = _Any()


def test_aggregated_baseline_is_unpaired(runs, tmp_path):
    one = runs(change=dict.fromkeys(SPEECH_IDS[:5], "no"), name="a")
    file = write_baseline(one, tmp_path / "b.json", aggregates=True)
    found = gate(one, file, policy(wer(margin=1000.0)))
    assert found.verdict == "GO"
    assert found.rules[0].comparison.method == "unpaired"
    assert found.rules[0].comparison.ci_high > 0


def test_baseline_of_a_failed_run_is_refused(runs, tmp_path):
    failed = runs(name="b", drop=3, max_failures="0")
    with pytest.raises(UsageError, match="a baseline is made of a complete run"):
        write_baseline(failed, tmp_path / "b.json")


class TestPolicy:
    """Mistakes in a policy, each with its place."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({}, "version: Field required; rules: Field required"),
            ({"version": 2, "rules": [wer(margin=1)]}, "version: Input should be 1"),
            ({"version": 1, "rules": []}, "rules: "),
            (policy(wer()), "rules[0]: a rule needs margin, floor or ceiling"),
            (policy(wer(margin=1, tear=1)), "rules[0].tear: unknown key 'tear'; did you mean tier"),
            (
                policy({"task": "t", "metric": "wre", "margin": 1}),
                "rules[0].metric: unknown metric 'wre'; did you mean wer",
            ),
            (policy(wer(margin=-1)), "rules[0].margin: expected a number of 0 or more, or a share"),
            (
                policy(wer(margin="2 points")),
                "rules[0].margin: expected a number of 0 or more, or a share",
            ),
            (policy(wer(margin=float("nan"))), "rules[0].margin: expected a number"),
            (policy(wer(margin=1, max_failures="x")), "rules[0].max_failures: expected a count"),
            (policy(wer(margin=1, tier="high")), "rules[0].tier: Input should be 'critical'"),
            (policy(wer(margin=1), wer(floor=1)), "librispeech wer has two rules"),
            (policy(wer(floor=2, ceiling=1)), "floor 2 is above ceiling 1"),
            (policy(wer(margin=1), confidence=2), "confidence: "),
            (policy(wer(margin=1), sead=2), "sead: unknown key 'sead'"),
        ],
    )
    def test_mistakes(self, content, message):
        with pytest.raises(UsageError) as error:
            parse_policy(content)
        assert message in str(error.value)
        assert error.value.exit_code == 2

    @pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00", "!!python/object:os.system {}"])
    def test_files(self, tmp_path, text):
        path = tmp_path / "p.yaml"
        path.write_text(text)
        with pytest.raises(UsageError, match=r"is not YAML|expected a mapping"):
            read_policy(path)
        with pytest.raises(UsageError, match="gate init RUN"):
            read_policy(tmp_path / "none.yaml")

    def test_unknown_task(self, runs):
        run = runs(name="a")
        rule = {"task": "librispech", "metric": "wer", "margin": 1}
        with pytest.raises(UsageError, match=r"rules\[0\]\.task: .*did you mean librispeech"):
            gate(run, run, policy(rule))

    def test_first_policy_of_a_run_passes_that_run(self, runs):
        half = dict.fromkeys(SPEECH_IDS[::2], "no")
        run = runs("coco_caption,librispeech", change=half, name="a")
        text = first_policy(run)
        read = parse_policy(yaml.safe_load(text))
        assert {(r.task, r.metric) for r in read.rules} >= {
            ("coco_caption", "cider"),
            ("librispeech", "wer"),
        }
        assert [r.metric for r in read.rules if r.tier == "critical"] == ["cider", "wer"]
        assert gate(run, run, replace_resamples(read)).verdict == "GO"


def replace_resamples(read):
    return read.model_copy(update={"resamples": 500})


class TestOutputs:
    HOSTILE = "<script>alert(1)</script> | `x` \x1b[31m \x00 ]]> & \ufffe"

    def result(self):
        check = Check("margin", "fail", self.HOSTILE)
        rules = (
            RuleResult(self.HOSTILE, "wer", "critical", (check,)),
            RuleResult("t", "cer", "advisory", (check,)),
            RuleResult("t", "cider", "supporting", (replace(check, outcome="inconclusive"),)),
            RuleResult("t", "bleu4", "critical", (replace(check, outcome="pass"),)),
        )
        return GateResult(self.HOSTILE, "base", "NO-GO", (self.HOSTILE,), rules)

    def test_junit(self):
        root = ET.fromstring(junit(self.result()))  # noqa: S314
        assert root.tag == "testsuites"
        (suite,) = root
        cases = suite.findall("testcase")
        assert len(cases) == 5
        assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
            "tests": "5",
            "failures": "1",
            "errors": "0",
            "skipped": "2",
        }
        assert "<script>" in cases[1].get("classname")
        assert cases[1].find("failure").get("type") == "fail"
        stopped = GateResult("r", "b", "NO-GO", ("the run failed",), run_failed=True)
        (error,) = ET.fromstring(junit(stopped)).iter("error")  # noqa: S314
        assert error.get("type") == "RunFailed"

    def test_markdown_is_appended_and_harmless(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("before\n")
        append_markdown(path, self.result())
        text = path.read_text()
        assert text.startswith("before\n## mio-eval gate: NO-GO\n")
        assert "<script>" not in text
        assert "\x1b" not in text
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert len(rows) == 2 + 4
        assert text == "before\n" + gate_markdown(self.result())

    def test_json_is_strict(self, runs):
        run = runs(name="a")
        content = gate(run, run, policy(wer(margin=1.0))).to_json()
        assert json.loads(json.dumps(content, allow_nan=False)) == json.loads(json.dumps(content))
        assert content["verdict"] == "GO"
        assert content["rules"][0]["comparison"]["n_shared"] == 12


@pytest.mark.parametrize(
    ("value", "limits", "verdict"),
    [
        (100 * (7 / 100), {"ceiling": 7.0}, "GO"),  # 7.000000000000001
        (7.0001, {"ceiling": 7.0}, "NO-GO"),
        (100 * (29 / 100), {"floor": 29.0}, "GO"),  # 28.999999999999996
        (28.9999, {"floor": 29.0}, "NO-GO"),
    ],
)
def test_rounding_decides_nothing(runs, value, limits, verdict):
    run = runs(name="a")
    data = json.loads((run / "run.json").read_text())
    data["results"]["librispeech"]["wer"]["value"] = value
    (run / "run.json").write_text(json.dumps(data))
    assert gate(run, run, policy(wer(**limits))).verdict == verdict


def test_rounding_of_a_difference_and_of_a_share_decides_nothing():
    """What an interval of equal runs may look like through other sums; 29 % of 100 samples."""
    from mio_eval.comparison.results import Comparison
    from mio_eval.gating.policy import Rule
    from mio_eval.gating.rules import judge_rule

    score = {"value": 5.0, "unit": "%", "n_failed": 29, "n_expected": 100}
    run = SimpleNamespace(name="r", data={"results": {"librispeech": {"wer": score}}})

    def row(high):
        return Comparison(
            *("librispeech", "wer", "%", False, True, "a", "b", "paired", 5.0, 5.0, 0.0),
            ci_low=0.0,
            ci_high=high,
        )

    rule = Rule(task="librispeech", metric="wer", margin=0.0, max_failures="29%")
    assert 0.29 * 100 < 29
    for high, outcome in ((1.1e-13, "pass"), (1e-6, "inconclusive")):
        found = judge_rule(rule, run, run, row(high))
        assert [check.outcome for check in found.checks] == ["pass", outcome]


def test_failed_and_missing_samples_add_up(runs):
    """Two fail in both; four more the run never had."""
    every = runs.good("librispeech")
    texts = {name: every[name] for name in [*SPEECH_IDS[2:], *SPEECH_IDS[:2]]}
    one, two = runs(texts=texts, drop=2, name="a"), runs(texts=texts, drop=2, name="b", limit=8)
    rules = policy(wer(margin=50.0, max_failures=5), allow_different=["data"])
    found = gate(two, one, rules)
    assert found.verdict == "NO-GO"
    assert "6 of 12 samples failed or missing, 5 allowed" in found.reasons[0]
    rules["rules"][0]["max_failures"] = "50%"
    assert gate(two, one, rules).verdict == "GO"

"""Power: standard errors, detectable differences, sample sizes."""

from __future__ import annotations

import numpy as np
import pytest
from prediction_runs import SPEECH_IDS
from runs_fixture import runs  # noqa: F401

from mio_eval import load_run
from mio_eval.errors import IncomparableError, UsageError
from mio_eval.power import power_analysis
from mio_eval.stats import minimal_detectable_effect, samples_needed

HALF = dict.fromkeys(SPEECH_IDS[::2], "no")


def test_like_statsmodels():
    """The normal approximation of two-sided power, both tails less one."""
    from statsmodels.stats.power import NormalIndPower

    # One group of n with standard deviation 1: ratio=0 makes it a one-sample (paired) test.
    effect = NormalIndPower().solve_power(nobs1=400, alpha=0.05, power=0.8, ratio=0)
    assert minimal_detectable_effect(1 / 20) == pytest.approx(effect, rel=1e-5)
    n = NormalIndPower().solve_power(effect_size=0.1, alpha=0.05, power=0.9, ratio=0)
    assert samples_needed(0.1, 1 / 20, 400, 0.05, 0.9) == int(np.ceil(n))


def test_a_mean_has_its_own_standard_error(runs):  # noqa: F811
    run = runs("coco_caption", name="a")
    found = power_analysis(run, "coco_caption", "cider", 5.0)
    scores = np.array(load_run(run).rows("coco_caption", "cider").scores)
    error = scores.std(ddof=1) / np.sqrt(12)
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    assert (found.n, found.clusters) == (12, 12)
    z = 1.959963984540054 + 0.8416212335729143
    assert found.unpaired.detectable == pytest.approx(z * error * np.sqrt(2), rel=1e-9)
    needed = 2 * scores.var(ddof=1) * (z / 5.0) ** 2
    assert found.unpaired.samples == int(np.ceil(needed))
    assert power_analysis(run, "coco_caption", "cider").unpaired.samples is None
    share = power_analysis(run, "coco_caption", "cider", "2%")
    assert share.difference == pytest.approx(0.02 * found.value)


def test_pairing_needs_fewer(runs):  # noqa: F811
    one = runs("coco_caption", name="a")
    two = runs("coco_caption", change={"1000": "a thing"}, name="b")
    found = power_analysis(one, "coco_caption", "cider", 5.0, paired_with=two)
    a, b = (np.array(load_run(r).rows("coco_caption", "cider").scores) for r in (one, two))
    assert found.paired.standard_error == pytest.approx((b - a).std(ddof=1) / np.sqrt(12))
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found.paired.samples != found.unpaired.samples


def test_no_spread_is_no_plan(runs):  # noqa: F811
    """All right on a dozen samples does not show that two samples would do."""
    perfect, half = runs(name="a"), runs(change=HALF, name="b")
    with pytest.raises(UsageError, match="the scores are all alike in 12 samples"):
        power_analysis(perfect, "librispeech", "wer", 1.0)
    with pytest.raises(UsageError, match="the differences are all alike in 12 samples"):
        power_analysis(half, "librispeech", "wer", 1.0, paired_with=half)


def test_refusals(runs):  # noqa: F811
    run = runs(change=HALF, name="a")
    other = runs(change=HALF, name="b", metric_settings=("wer.norm=none",))
    with pytest.raises(IncomparableError, match=r"signature\.wer\.norm"):
        power_analysis(run, "librispeech", "wer", paired_with=other)
    for arguments, options, message in (
        ((run, "librispech", "wer"), {}, "did you mean librispeech"),
        ((run, "librispeech", "wr"), {}, "did you mean wer"),
        ((run, "librispeech", "wer", "many"), {}, "expected a number, or a share"),
        ((run, "librispeech", "wer", -1), {}, "above 0"),
        ((run, "librispeech", "wer", 1), {"power": 1.0}, "power 1"),
    ):
        with pytest.raises(UsageError, match=message):
            power_analysis(*arguments, **options)

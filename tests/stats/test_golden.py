"""Statistics against lm-eval, inspect_ai, statsmodels, scipy and sacrebleu."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from mio_eval.stats import (
    clopper_pearson_interval,
    clustered_standard_error,
    holm,
    mcnemar,
    mean_standard_error,
    paired_test,
    unpaired_p,
    wilson_interval,
)
from mio_eval.stats.distributions import beta_quantile, regularised_beta, student_quantile
from mio_eval.stats.standard_error import (
    pooled_standard_error,
    pseudo_values,
    ratio_standard_error,
)

FILE = Path(__file__).parents[1] / "golden" / "stats" / "stats_golden.json"
DATA = json.loads(FILE.read_text())
GOLDEN = DATA["golden"]
A, B = np.array(DATA["A"], dtype=float), np.array(DATA["B"], dtype=float)
CLUSTER = [str(c) for c in DATA["cluster"]]


def close(value):
    return pytest.approx(value, abs=1e-9, rel=1e-9)


def test_standard_errors():
    se_a, se_b = mean_standard_error(A), mean_standard_error(B)
    assert se_a == close(GOLDEN["lm_eval_0.4.13 mean_stderr(A)"])
    assert se_b == close(GOLDEN["lm_eval mean_stderr(B)"])
    assert math.hypot(se_a, se_b) == close(GOLDEN["unpaired se sqrt(seA^2+seB^2)"])
    assert mean_standard_error(A - B) == close(
        GOLDEN["paired se (sample sd of differences/sqrt n)"]
    )
    assert pooled_standard_error([se_a, se_b], [400, 400]) == close(
        GOLDEN["lm_eval pooled_sample_stderr([se_A,se_B],[400,400])"]
    )


def test_clustered_standard_errors():
    for values, name in ((A, "A"), (B, "B")):
        key = (
            "inspect_ai_0.3.285 _clustered_stderr(A)"
            if name == "A"
            else ("inspect_ai _clustered_stderr(B)")
        )
        assert clustered_standard_error(values, CLUSTER) == close(GOLDEN[key])
    assert clustered_standard_error(A, CLUSTER, correct=False) == close(
        GOLDEN["paper_clustered(A) (Adding Error Bars eq., no finite-cluster correction)"]
    )
    assert clustered_standard_error(A - B, CLUSTER, correct=False) == close(
        GOLDEN["paired clustered se (no correction)"]
    )


def test_mcnemar():
    (_, b), (c, _) = GOLDEN["mcnemar table"]
    assert (b, c) == (int((A > B).sum()), int((B > A).sum()))
    found = mcnemar(b, c)
    assert found.exact == close(GOLDEN["statsmodels mcnemar exact=True correction=False"]["pvalue"])
    assert found.mid_p == close(GOLDEN["mcnemar mid-p"])


@pytest.mark.parametrize(
    ("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 40), (900, 1000), (40_000, 40_300)]
)
def test_mcnemar_like_scipy(b, c):
    from scipy.stats import binom

    found = mcnemar(b, c)
    few = min(b, c)
    exact = min(1.0, 2 * binom.cdf(few, b + c, 0.5))
    assert found.exact == close(exact)
    if b + c:
        mid = 2 * binom.cdf(few, b + c, 0.5) - binom.pmf(few, b + c, 0.5)
        assert found.mid_p == close(min(1.0, mid))


def test_proportion_intervals():
    right = int(A.sum())
    assert wilson_interval(right, 400) == close(GOLDEN["proportion_confint wilson 95% (A)"])
    assert clopper_pearson_interval(right, 400) == close(GOLDEN["proportion_confint beta 95% (A)"])
    assert clopper_pearson_interval(0, 30)[0] == 0.0
    assert clopper_pearson_interval(30, 30)[1] == 1.0


def test_student_quantile():
    assert student_quantile(0.975, 119) == close(GOLDEN["scipy t quantile"])


@pytest.mark.parametrize("df", [1, 2.5, 11, 119, 40_000])
@pytest.mark.parametrize("p", [0.001, 0.2, 0.5, 0.9, 0.9995])
def test_student_quantile_like_scipy(df, p):
    from scipy.stats import t

    assert student_quantile(p, df) == pytest.approx(t.ppf(p, df), rel=1e-9, abs=1e-9)


def test_beta_like_scipy():
    from scipy.special import betainc, betaincinv

    rng = random.Random(1)
    for _ in range(200):
        a, b, x = rng.uniform(0.1, 300), rng.uniform(0.1, 300), rng.random()
        assert regularised_beta(x, a, b) == pytest.approx(betainc(a, b, x), rel=1e-9, abs=1e-12)
        assert beta_quantile(x, a, b) == pytest.approx(betaincinv(a, b, x), rel=1e-8)


def test_holm_like_statsmodels():
    from statsmodels.stats.multitest import multipletests

    rng = random.Random(2)
    for size in (1, 2, 7, 40):
        p = [rng.random() ** 3 for _ in range(size)]
        assert holm(p) == close(list(multipletests(p, method="holm")[1]))
    assert holm([0.01, 0.01, 0.9]) == close([0.03, 0.03, 0.9])
    assert holm([]) == []


def test_unpaired_p_like_statsmodels():
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    _, p = CompareMeans(DescrStatsW(A), DescrStatsW(B)).ztest_ind(usevar="unequal")
    errors = mean_standard_error(A), mean_standard_error(B)
    assert unpaired_p(A.mean() - B.mean(), *errors) == close(p)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.column_stack([A, np.ones(400)])
    pseudo, names = pseudo_values(
        values, [f"{i:03}" for i in range(400)], lambda s: s[..., 0] / s[..., 1]
    )
    assert len(names) == 400
    assert pseudo == close(A)
    assert mean_standard_error(pseudo) == close(GOLDEN["lm_eval_0.4.13 mean_stderr(A)"])


def test_jackknife_of_a_ratio_is_near_the_linearised_error():
    rng = np.random.default_rng(0)
    words = rng.integers(3, 40, 2000).astype(float)
    wrong = rng.binomial(words.astype(int), 0.1).astype(float)
    pseudo, _ = pseudo_values(
        np.column_stack([wrong, words]),
        [str(i) for i in range(2000)],
        lambda s: s[..., 0] / s[..., 1],
    )
    assert mean_standard_error(pseudo) == pytest.approx(
        ratio_standard_error(wrong, words), rel=1e-3
    )


def test_paired_bootstrap_spreads_as_the_clustered_formula_says():
    one = np.ones(400)
    found = paired_test(
        np.column_stack([B, one]),
        np.column_stack([A, one]),
        CLUSTER,
        lambda s: s[..., 0] / s[..., 1],
    )
    assert found.difference == close(GOLDEN["paired diff mean"])
    assert (found.first, found.second) == close((0.505, 0.545))
    assert found.clusters == GOLDEN["clusters"]
    assert found.standard_error == pytest.approx(
        GOLDEN["paired clustered se (no correction)"], rel=0.03
    )


class TestSacrebleu:
    """The same p-values as sacrebleu's own tests, with its seed and scheme."""

    WORDS = ("the", "a", "cat", "dog", "sat", "on", "mat", "park", "lake", "in", "by", "runs")

    def systems(self, worse):
        rng = random.Random(5)
        references = [" ".join(rng.choices(self.WORDS, k=rng.randint(4, 14))) for _ in range(150)]

        def system(rate):
            return [
                " ".join(rng.choice(self.WORDS) if rng.random() < rate else w for w in r.split())
                for r in references
            ]

        return references, system(0.3), system(worse)

    @pytest.mark.parametrize("worse", [0.3, 0.33, 0.4])
    def test_p_values(self, worse, monkeypatch):
        sacrebleu = pytest.importorskip("sacrebleu")
        from sacrebleu.significance import PairedTest

        monkeypatch.delenv("SACREBLEU_SEED", raising=False)
        references, base, other = self.systems(worse)
        metric = sacrebleu.BLEU()
        wanted = {}
        for kind, count in (("bs", 1000), ("ar", 2000)):
            _, results = PairedTest(
                [("base", base), ("other", other)],
                {"BLEU": sacrebleu.BLEU(references=[references])},
                references=None,
                test_type=kind,
                n_samples=count,
            )()
            wanted[kind] = results["BLEU"][1].p_value
        metric = sacrebleu.BLEU(references=[references])
        tables = [
            np.array(metric._extract_corpus_statistics(system, None), dtype=float)
            for system in (base, other)
        ]

        def score(sums):
            rows = sums.reshape(-1, sums.shape[-1])
            return np.array(
                [metric._compute_score_from_stats([int(x) for x in row]).score for row in rows]
            )

        found = paired_test(
            *tables,
            ["" for _ in base],
            score,
            resamples=1000,
            trials=2000,
            seed=12345,
            scheme="sacrebleu",
        )
        assert found.p_bootstrap == close(wanted["bs"])
        assert found.p_randomisation == close(wanted["ar"])

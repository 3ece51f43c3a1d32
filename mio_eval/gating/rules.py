"""Judges one rule of a policy: presence, failures, margin, floor and ceiling."""

from __future__ import annotations

from ..comparison import Result
from ..comparison.numbers import number
from ..comparison.results import Comparison
from ..types import Json
from .policy import Rule, share
from .results import Check, RuleResult

# Relative: a WER of 7 errors in 100 words is 100 · 0.07 = 7.000000000000001, which meets 7.
_ROUNDING = 1e-9


def judge_rule(
    rule: Rule, run: Result, baseline: Result, compared: Comparison | None
) -> RuleResult:
    """Judge a rule; `compared` is the baseline (first) against the run (second)."""
    score = run.data["results"].get(rule.task, {}).get(rule.metric)
    if score is None or score["value"] is None:
        return RuleResult(rule.task, rule.metric, rule.tier, (_missing(rule, run, score),))
    checks = [_failures(rule, score, run, baseline, compared)]
    if rule.margin is not None:
        checks.append(_margin(rule, baseline, compared))
    if rule.floor is not None:
        checks.append(_bound("floor", score, rule.floor, ok=_reaches(score["value"], rule.floor)))
    if rule.ceiling is not None:
        ok = _reaches(rule.ceiling, score["value"])
        checks.append(_bound("ceiling", score, rule.ceiling, ok=ok))
    return RuleResult(rule.task, rule.metric, rule.tier, tuple(checks), compared)


def _missing(rule: Rule, run: Result, score: Json) -> Check:
    if score is not None:
        why = f"the run has no value ({score.get('note') or 'no sample was scored'})"
    elif rule.task not in run.data["results"]:
        why = "the run has no results of this task"
    else:
        absent = run.data["tasks"][rule.task].get("absent", {}).get(rule.metric)
        why = f"the run has no such metric{f': {absent}' if absent else ''}"
    return Check("present", "fail", why)


def _failures(
    rule: Rule, score: Json, run: Result, baseline: Result, compared: Comparison | None
) -> Check:
    """Hold failed samples, and samples that only the baseline has, against what is allowed."""
    missing: int | None = 0
    if compared is not None and compared.only_first:
        missing = _missing_samples(rule, run, baseline)
        if missing is None:  # no samples are kept: how many of these failed is not known
            missing = max(0, compared.only_first - score["n_failed"])
    count, expected = score["n_failed"] + missing, score["n_expected"] + missing
    limit = rule.max_failures
    allowed = share(limit) * expected if isinstance(limit, str) else limit
    said = f"{count} of {expected} samples failed or missing, {limit} allowed"
    return Check("failures", "pass" if _reaches(allowed, count) else "fail", said)


def _missing_samples(rule: Rule, run: Result, baseline: Result) -> int | None:
    """Count the baseline's scored samples that the run never had; None when it keeps no samples.

    Those that failed in the run are no part of them: its failures are counted already.
    """
    known = {record["id"] for record in run.records(rule.task)}
    rows = baseline.rows(rule.task, rule.metric)
    if not known or rows is None:
        return None
    return sum(name not in known for name in rows.ids)


def _reaches(value: float, limit: float) -> bool:
    """Tell whether a value is at least a limit, but for rounding."""
    return value >= limit - _ROUNDING * max(1.0, abs(value), abs(limit))


def _margin(rule: Rule, baseline: Result, compared: Comparison | None) -> Check:
    if compared is None:
        return Check("margin", "inconclusive", f"{baseline.name} has no value to compare with")
    if compared.difference is None or compared.value_first is None:
        return Check("margin", "inconclusive", "there is no difference to judge")
    margin = _absolute(rule, compared.value_first)
    unit = compared.unit
    change = f"{number(compared.value_first, unit)} → {number(compared.value_second, unit)}"
    limit = f"margin {rule.margin}" + (
        f" = {number(margin, unit)}" if isinstance(rule.margin, str) else ""
    )
    if compared.ci_low is None or compared.ci_high is None:
        why = "; ".join(compared.notes) or "no interval"
        return Check("margin", "inconclusive", f"{change}, {limit}: {why}")
    # The worst and the best the difference may be, as how much better the run is.
    if compared.higher_is_better:
        worst, best = compared.ci_low, compared.ci_high
    else:
        worst, best = -compared.ci_high, -compared.ci_low
    low, high = (number(end, unit, signed=True) for end in (compared.ci_low, compared.ci_high))
    said = f"{change}, difference within [{low}, {high}], {limit}"
    if _reaches(worst, -margin):
        return Check("margin", "pass", said)
    if not _reaches(best, -margin):
        return Check("margin", "fail", f"{said}: worse by more than the margin")
    return Check("margin", "inconclusive", f"{said}: the interval holds both; take more samples")


def _absolute(rule: Rule, value: float) -> float:
    margin = rule.margin
    assert margin is not None
    return share(margin) * abs(value) if isinstance(margin, str) else margin


def _bound(name: str, score: Json, limit: float, *, ok: bool) -> Check:
    said = f"value {number(score['value'], score['unit'])}, {name} {limit:g}"
    return Check(name, "pass" if ok else "fail", said)

"""The gate: may this run replace its baseline, by a written policy?

A margin is a non-inferiority test (Wellek, "Testing Statistical Hypotheses of Equivalence and
Noninferiority", 2010): the run passes when the interval of the difference shows that it is not
worse by more than the margin, fails when the interval shows that it is, and is inconclusive
between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..comparison import Result, Settings, compare_task, open_result
from ..comparison.differences import Difference, check_allowed, differences, is_allowed
from ..comparison.results import Comparison
from ..errors import UsageError, unknown
from ..load import load_run
from ..types import Json
from .policy import Policy, Rule, parse_policy, read_policy
from .results import Check, GateResult, RuleResult, Verdict
from .rules import judge_rule

__all__ = ["Check", "GateResult", "Policy", "Rule", "RuleResult", "gate"]

_CHANGED = 3  # samples listed beside a rule, each way


def gate(
    run: str | Path | Result,
    baseline: str | Path | Result,
    policy: str | Path | Policy | Mapping[str, object],
    *,
    allow_different: Sequence[str] = (),
) -> GateResult:
    """Judge a run against a baseline by a policy: paths, or what `load_run` returned.

    Raises UsageError for a path or a policy that is wrong. A run that failed, and two results that
    cannot be compared, are results: see `GateResult.exit_code`.
    """
    chosen = _policy(policy)
    allow = (*chosen.allow_different, *allow_different)
    check_allowed(allow)
    candidate = load_run(run) if isinstance(run, str | Path) else run
    before = open_result(baseline)
    _check_names(chosen, candidate, before)
    status = candidate.data["status"]
    if status != "complete":
        why = candidate.data.get("reason") or "it is not finished"
        return _stopped(candidate, before, chosen, allow, f"the run failed: {why}", failed=True)
    if before.data["status"] != "complete":
        why = f"the baseline's status is {before.data['status']}; take a complete run"
        return _stopped(candidate, before, chosen, allow, why)
    unlike = _differences(chosen, candidate, before)
    refused = tuple(item for item in unlike if not is_allowed(item, allow))
    accepted = tuple(item for item in unlike if is_allowed(item, allow))
    if refused:
        return GateResult(
            run=candidate.name,
            baseline=before.name,
            verdict="INCONCLUSIVE",
            reasons=tuple(f"incomparable: {difference}" for difference in refused),
            confidence=chosen.confidence,
            resamples=chosen.resamples,
            differences=refused,
            allowed=allow,
            allowed_differences=accepted,
        )
    compared = _compare(chosen, candidate, before)
    rules = tuple(
        judge_rule(rule, candidate, before, compared.get((rule.task, rule.metric)))
        for rule in chosen.rules
    )
    verdict, reasons = _verdict(rules)
    return GateResult(
        run=candidate.name,
        baseline=before.name,
        verdict=verdict,
        reasons=reasons,
        rules=rules,
        confidence=chosen.confidence,
        resamples=chosen.resamples,
        allowed=allow,
        allowed_differences=accepted,
    )


def _policy(policy: str | Path | Policy | Mapping[str, object]) -> Policy:
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, str | Path):
        return read_policy(Path(policy))
    return parse_policy(policy)


def _check_names(policy: Policy, run: Result, baseline: Result) -> None:
    """Refuse a task that no one knows: a rule that can never be met is a mistake in writing."""
    from ..tasks import get_task

    known = {*run.data["tasks"], *baseline.data["tasks"]}
    for number, rule in enumerate(policy.rules):
        if rule.task in known:
            continue
        try:
            get_task(rule.task)
        except UsageError as error:
            message = unknown("task", rule.task, known)
            raise UsageError(f"policy: rules[{number}].task: {message}") from error


def _stopped(
    run: Result,
    baseline: Result,
    policy: Policy,
    allow: tuple[str, ...],
    reason: str,
    *,
    failed: bool = False,
) -> GateResult:
    return GateResult(
        run=run.name,
        baseline=baseline.name,
        verdict="NO-GO" if failed else "INCONCLUSIVE",
        reasons=(reason,),
        confidence=policy.confidence,
        resamples=policy.resamples,
        run_failed=failed,
        allowed=allow,
    )


def _shared(policy: Policy, run: Result, baseline: Result) -> dict[str, list[str]]:
    """Return task → the metrics with rules that both have."""
    found: dict[str, list[str]] = {}
    results: tuple[Json, Json] = (baseline.data["results"], run.data["results"])
    for rule in policy.rules:
        if all(rule.metric in result.get(rule.task, {}) for result in results):
            found.setdefault(rule.task, []).append(rule.metric)
    return found


def _differences(policy: Policy, run: Result, baseline: Result) -> list[Difference]:
    return [
        difference
        for task, metrics in _shared(policy, run, baseline).items()
        for difference in differences(task, baseline.data, run.data, metrics)
    ]


def _compare(policy: Policy, run: Result, baseline: Result) -> dict[tuple[str, str], Comparison]:
    settings = Settings(
        resamples=policy.resamples,
        confidence=policy.confidence,
        alpha=1.0 - policy.confidence,
        top=_CHANGED,
        randomise=False,
    )
    return {
        (task, row.metric): row
        for task, metrics in _shared(policy, run, baseline).items()
        for row in compare_task(task, baseline, run, metrics, settings)
    }


def _verdict(rules: Sequence[RuleResult]) -> tuple[Verdict, tuple[str, ...]]:
    """Critical rules must be shown to hold, supporting ones must not be shown to be broken."""
    failed = [r for r in rules if r.outcome == "fail" and r.tier != "advisory"]
    open_ = [r for r in rules if r.outcome == "inconclusive" and r.tier == "critical"]
    reasons = tuple(f"{r.task} {r.metric} ({r.tier}): {r.message}" for r in [*failed, *open_])
    if failed:
        return "NO-GO", reasons
    return ("INCONCLUSIVE" if open_ else "GO"), reasons

"""What a gate decided: typed, for the command line, Markdown, JUnit and JSON alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from ..comparison.differences import Difference
from ..comparison.results import Comparison
from ..types import Json
from .policy import Tier

Outcome: TypeAlias = Literal["pass", "fail", "inconclusive"]
Verdict: TypeAlias = Literal["GO", "NO-GO", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a rule asks for: `margin`, `floor`, `ceiling`, `failures` or `present`."""

    name: str
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What became of one rule."""

    task: str
    metric: str
    tier: Tier
    checks: tuple[Check, ...]
    comparison: Comparison | None = None
    """Baseline (first) against run (second); None when the rule has no margin to test."""

    @property
    def outcome(self) -> Outcome:
        """The worst of its checks."""
        outcomes = {check.outcome for check in self.checks}
        if "fail" in outcomes:
            return "fail"
        return "inconclusive" if "inconclusive" in outcomes else "pass"

    @property
    def message(self) -> str:
        """What decided, or everything when all passed."""
        deciding = [c.message for c in self.checks if c.outcome == self.outcome]
        return "; ".join(deciding)


@dataclass(frozen=True, slots=True)
class GateResult:
    """The verdict on a run, and how it came about."""

    run: str
    baseline: str
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why the verdict is not GO."""
    rules: tuple[RuleResult, ...] = ()
    confidence: float = 0.95
    resamples: int = 0
    run_failed: bool = False
    differences: tuple[Difference, ...] = ()
    """What made the two incomparable."""
    allowed: tuple[str, ...] = ()
    allowed_differences: tuple[Difference, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 GO, 1 NO-GO, 3 INCONCLUSIVE or incomparable, 4 the run itself failed."""
        if self.run_failed:
            return 4
        return {"GO": 0, "NO-GO": 1, "INCONCLUSIVE": 3}[self.verdict]

    def to_json(self) -> Json:
        """Return the object that `gate --json` writes."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "run": self.run,
            "baseline": self.baseline,
            "run_failed": self.run_failed,
            "reasons": list(self.reasons),
            "confidence": self.confidence,
            "resamples": self.resamples,
            "differences": [asdict(difference) for difference in self.differences],
            "allow_different": list(self.allowed),
            "allowed_differences": [asdict(item) for item in self.allowed_differences],
            "rules": [
                {
                    "task": rule.task,
                    "metric": rule.metric,
                    "tier": rule.tier,
                    "outcome": rule.outcome,
                    "checks": [asdict(check) for check in rule.checks],
                    "comparison": asdict(rule.comparison) if rule.comparison else None,
                }
                for rule in self.rules
            ],
        }

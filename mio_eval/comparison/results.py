"""What a comparison came to: typed rows that the command line prints and `--json` writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

from ..types import Json
from .differences import Difference

Method: TypeAlias = Literal["paired", "unpaired"]


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """A sample whose own score changed; outputs are what the models said, shortened."""

    id: str
    first: float
    second: float
    output_first: str = ""
    output_second: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one task: the second result against the first. Differences are second - first.

    p-values are two-sided; a test that does not apply is None, and `notes` say why.
    """

    task: str
    metric: str
    unit: str
    higher_is_better: bool
    primary: bool
    first: str
    second: str
    method: Method
    value_first: float | None
    value_second: float | None
    difference: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    standard_error: float | None = None
    p_bootstrap: float | None = None
    p_randomisation: float | None = None
    p_mcnemar: float | None = None
    p_unpaired: float | None = None
    p_holm: float | None = None
    """Of the deciding test (randomisation, or unpaired), adjusted; None outside the family."""
    wins: int | None = None
    """Samples that the second has better."""
    ties: int | None = None
    losses: int | None = None
    mde: float | None = None
    """The difference that this test would have found with 80 % power."""
    n_shared: int | None = None
    only_first: int = 0
    """Samples scored in the first only."""
    only_second: int = 0
    failed_first: int = 0
    failed_second: int = 0
    clusters: int | None = None
    signature: str = ""
    changed: tuple[ChangedSample, ...] = ()
    notes: tuple[str, ...] = ()
    verdict: Literal["better", "worse", "no difference", "untested"] = "untested"
    """At level alpha after Holm, for members of the family; "untested" otherwise."""

    @property
    def p(self) -> float | None:
        """The p-value that decides."""
        return self.p_randomisation if self.method == "paired" else self.p_unpaired


@dataclass(frozen=True, slots=True)
class CompareResult:
    """All comparisons against the first result."""

    first: str
    others: tuple[str, ...]
    rows: tuple[Comparison, ...]
    alpha: float
    confidence: float
    resamples: int
    seed: int
    allowed: tuple[str, ...] = ()
    """`--allow-different` as given."""
    differences: tuple[tuple[str, Difference], ...] = ()
    """Differences that were allowed, with the result that has them."""
    missing: tuple[str, ...] = field(default=())
    """What only one of two results has."""

    @property
    def regressions(self) -> list[Comparison]:
        """The rows that are significantly worse."""
        return [row for row in self.rows if row.verdict == "worse"]

    def to_json(self) -> Json:
        """Return the object that `compare --json` writes."""
        return {
            "first": self.first,
            "others": list(self.others),
            "alpha": self.alpha,
            "confidence": self.confidence,
            "resamples": self.resamples,
            "seed": self.seed,
            "allow_different": list(self.allowed),
            "allowed_differences": [
                {"with": name, **asdict(difference)} for name, difference in self.differences
            ],
            "missing": list(self.missing),
            "regressions": len(self.regressions),
            "comparisons": [{**asdict(row), "p": row.p} for row in self.rows],
        }

"""What a gate policy may say. YAML holds data; every rule about it is here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import UsageError, unknown
from ..stats import RESAMPLES

Tier: TypeAlias = Literal["critical", "supporting", "advisory"]

_PERCENT = r"^\s*\d+(\.\d+)?\s*%\s*$"
Share = Annotated[str, Field(pattern=_PERCENT)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """What one metric of one task has to keep to."""

    task: str
    metric: str
    tier: Tier = "critical"
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] | Share | None = None
    """How much worse than the baseline is accepted: in the metric's unit, or `2%` of its value."""
    floor: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The value must not lie below."""
    ceiling: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The value must not lie above."""
    max_failures: Annotated[int, Field(ge=0)] | Share = 0
    """Failed or missing samples accepted: a count, or a share."""

    @model_validator(mode="after")
    def _asks_something(self) -> Rule:
        if self.margin is None and self.floor is None and self.ceiling is None:
            raise ValueError("a rule needs margin, floor or ceiling")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor:g} is above ceiling {self.ceiling:g}")
        return self

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        from ..metrics import METRICS, metric_names

        if value not in METRICS and value not in (names := metric_names()):
            raise ValueError(str(unknown("metric", value, names)))
        return value


class Policy(_Strict):
    """A policy file, whole."""

    version: Literal[1]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the two-sided interval whose worse end is held against the margin."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = RESAMPLES
    allow_different: tuple[str, ...] = ()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> Policy:
        seen: set[tuple[str, str]] = set()
        for rule in self.rules:
            if (key := (rule.task, rule.metric)) in seen:
                raise ValueError(f"{rule.task} {rule.metric} has two rules; join them in one")
            seen.add(key)
        return self


def read_policy(path: Path) -> Policy:
    """Read a policy file. Raises UsageError that names place and remedy."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read policy {path}: {error.strerror}; "
            "write a first one with: mio-eval gate init RUN"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a mapping with version and rules")
    return parse_policy(content, str(path))


def parse_policy(content: object, name: str = "policy") -> Policy:
    """Check a policy. Raises UsageError with every mistake and its place."""
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{name}: {_explain(error)}") from error


def share(text: str) -> float:
    """Read `2%` as 0.02."""
    return float(text.strip().rstrip("%")) / 100.0


def _explain(error: ValidationError) -> str:
    """Say what is wrong where, once a place."""
    said: dict[str, str] = {}
    for item in error.errors():
        place = _place(item["loc"])
        if item["type"] == "too_short" and said:
            continue  # no rule is left, because of the mistakes already said
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            model = Rule if place.startswith("rules[") else Policy
            key = str(item["loc"][-1])
            message = str(unknown("key", key, model.model_fields))
        if place.endswith((".margin", ".max_failures")):
            what = "a number" if place.endswith(".margin") else "a count"
            message = (
                f"expected {what} of 0 or more, or a share such as '2%', got {item['input']!r}"
            )
        said.setdefault(place, message)
    return "; ".join(f"{place}: {text}" if place else text for place, text in said.items())


def _place(location: tuple[int | str, ...]) -> str:
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part in ("float", "int") or part.startswith(("constrained-", "function-")):
            break  # pydantic's name for a member of a union
        else:
            place += f".{part}" if place else part
    return place

"""Flags: in which ways a score is not what the protocol's tables print. Shown with the number."""

from __future__ import annotations

from ..metrics import get_metric
from ..tasks import Task
from ..types import Json


def short(flags: tuple[str, ...]) -> str:
    """Join the first words of flags, for the space beside a model's name."""
    return ", ".join(dict.fromkeys(flag.partition(":")[0] for flag in flags))


def data_flags(source: Json, comparable_split: str | None) -> tuple[str, ...]:
    """Say in which ways the data differ from those of a published result."""
    flags = []
    if source["mode"] == "sample":
        flags.append(
            f"SAMPLE: {source['n']} bundled samples, not the benchmark; "
            "not comparable with published results"
        )
        return tuple(flags)
    expected = source["split_expected"]
    if source["limit"] is not None and (expected is None or source["limit"] < expected):
        flags.append(f"LIMIT: the first {source['n']} of {expected or 'all'} samples")
    elif expected is not None and source["n"] != expected:
        flags.append(f"INCOMPLETE DATA: {source['n']} samples, the split has {expected}")
    if comparable_split is not None and source["split"] != comparable_split:
        flags.append(f"OTHER SPLIT: {source['split']}, the published rows use {comparable_split}")
    return tuple(flags)


def partial(score: Json | None) -> tuple[str, ...]:
    """Say that a value leaves failed samples out."""
    if score is None or not score["n_failed"]:
        return ()
    return (f"PARTIAL: {score['n_failed']} of {score['n_expected']} samples have no score",)


def other_settings(task: Task, facts: Json, metric: str) -> tuple[str, ...]:
    """Say that a metric was not computed as the task's protocol has it."""
    used = facts["metrics"].get(metric, {})
    usual = get_metric(metric, **task.file.metric_options.get(metric, {})).settings
    other = [f"{key}={used[key]}" for key in usual if used.get(key, usual[key]) != usual[key]]
    if not other:
        return ()
    wanted = ", ".join(f"{key}={usual[key]}" for key in usual)
    return (f"OTHER SETTINGS: {metric} with {', '.join(other)}; the protocol has {wanted}",)


def judge_flags(task: Task, facts: Json) -> tuple[str, ...]:
    """Say that a metric stands in for the protocol's, or that another judge was used."""
    flags = []
    primary = facts["primary"]
    if primary != task.file.primary:
        flags.append(f"SUBSTITUTE: {primary} stands in for {task.file.primary}; not comparable")
    return (*flags, *other_judges(task, facts))


def other_judges(task: Task, facts: Json) -> tuple[str, ...]:
    """Say that a judge is not the protocol's."""
    used = facts.get("judges", {})
    return tuple(
        f"OTHER JUDGE: {role} is {used[role]}, the protocol has {wanted}"
        for role, wanted in task.file.judges.items()
        if role in used and _same_model(used[role]) != _same_model(wanted)
    )


def _same_model(name: str) -> str:
    """Reduce a judge's name to what two spellings of one model share."""
    return name.partition("|")[0].partition("@")[0].lower()

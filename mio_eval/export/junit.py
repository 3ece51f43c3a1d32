"""JUnit XML of a run: a suite a task, a case a metric, and a case in error a failed sample."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from ..display import one_line
from ..jsonio import write_atomic
from ..types import Json
from .source import RunSource

_LIMIT = 1000  # characters of a message


def export_junit(source: RunSource, out: Path, settings: Mapping[str, str]) -> list[Path]:
    """Write `junit.xml`. A metric without a value and a run that failed are failures."""
    root = ET.Element("testsuites", {"name": _safe(f"mio-eval {source.name}")})
    suites = [_whole(source), *(_task(source, task) for task in source.tasks)]
    root.extend(suites)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
    ET.indent(root)
    path = out / "junit.xml"
    write_atomic(path, [ET.tostring(root, encoding="utf-8", xml_declaration=True), b"\n"])
    return [path]


def _whole(source: RunSource) -> ET.Element:
    case = _case("mio-eval run", "complete")
    if not source.complete:
        said = _safe(str(source.data.get("reason") or source.data["status"]))
        ET.SubElement(case, "failure", {"type": "RunFailed", "message": said})
    facts = {"model": source.model, "revision": str(source.data["model"].get("revision", ""))}
    facts["command"] = " ".join(source.command)
    return _suite("mio-eval run", source, facts, [case])


def _task(source: RunSource, task: str) -> ET.Element:
    cases = [_metric(task, name, score) for name, score in source.scores(task).items()]
    seconds = 0.0
    for sample in source.samples(task):
        seconds += (sample.record.get("timing") or {}).get("seconds") or 0.0
        if not sample.ok:
            case = _case(task, f"sample {sample.id}")
            error = sample.record.get("error") or {}
            kind = f"{error.get('stage', 'unknown')}.{error.get('type', 'unknown')}"
            said = {"type": _safe(kind), "message": _safe(sample.failure)}
            ET.SubElement(case, "error", said)
            cases.append(case)
    data = source.dataset(task)
    facts = {
        "split": str(data.get("split")),
        "data": str(data.get("mode")),
        "data sha256": str(data.get("sha256")),
        "samples": str(data.get("n")),
        "failed samples": str(source.facts(task).get("n_failed", 0)),
        **{f"signature {m}": score["signature"] for m, score in source.scores(task).items()},
    }
    return _suite(task, source, facts, cases, seconds)


def _metric(task: str, name: str, score: Json) -> ET.Element:
    case = _case(task, name)
    if score["value"] is None:
        said = _safe(score.get("note") or "no value")
        ET.SubElement(case, "failure", {"type": "NoValue", "message": said})
    interval = ""
    if score["ci_low"] is not None:
        interval = f" [{score['ci_low']!r}, {score['ci_high']!r}]"
    ET.SubElement(case, "system-out").text = _safe(
        f"value {score['value']!r}{interval} {score['unit']}; scored {score['n_scored']} of "
        f"{score['n_expected']}, failed {score['n_failed']}; {score['signature']}"
    )
    return case


def _suite(
    name: str,
    source: RunSource,
    facts: Mapping[str, str],
    cases: list[ET.Element],
    seconds: float = 0.0,
) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        {
            "name": _safe(name),
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": str(sum(case.find("error") is not None for case in cases)),
            "skipped": "0",
            "time": f"{seconds:.3f}",
            "timestamp": source.ended.replace(tzinfo=None).isoformat(timespec="seconds"),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in facts.items():
        ET.SubElement(properties, "property", {"name": _safe(key), "value": _safe(value)})
    suite.extend(cases)
    return suite


def _case(classname: str, name: str) -> ET.Element:
    named = {"classname": _safe(classname), "name": _safe(name), "time": "0"}
    return ET.Element("testcase", named)


def _safe(text: str) -> str:
    """Put text on one line of characters that XML allows."""
    line = one_line(text)
    return line if len(line) <= _LIMIT else f"{line[: _LIMIT - 1]}…"

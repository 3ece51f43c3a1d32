"""CIDEr with tokenisation by mio-eval: COCO val2014, or the 1,000 fakecap images of the tests."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from data import coco_captions, split_captions
from result import Clock, report

from mio_eval.metrics.base import Item
from mio_eval.metrics.captioning import Cider

_GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "captioning"


def _golden(name: str) -> Any:
    return json.loads(gzip.decompress((_GOLDEN / f"{name}.json.gz").read_bytes()))


def main(what: str) -> None:
    """Measure `val2014` or `fakecap`."""
    if what == "fakecap":
        hypotheses = {row["image_id"]: row["caption"] for row in _golden("fakecap_results")}
        references: dict[int, list[str]] = {image: [] for image in hypotheses}
        for row in _golden("fakecap_refs")["annotations"]:
            references[row["image_id"]].append(row["caption"])
    else:
        hypotheses, references = split_captions(coco_captions())
    split = [tuple(group) for group in references.values()]
    items = [Item(str(i), hypotheses[i], tuple(references[i])) for i in references]

    clock = Clock()
    metric = Cider()
    metric.prepare(split)
    statistics = metric.statistics(items)
    value = float(metric.score(statistics.values.sum(axis=0)))
    report(**clock.read(), value=value, n=len(items))


if __name__ == "__main__":
    main(sys.argv[1])

"""Captions that the tests of several caption metrics share."""

from __future__ import annotations

from typing import Any

from golden_files import read_golden
from hypothesis import strategies as st

EDGE_CASES = read_golden("captioning/edge_cases_golden.json")

Captions = st.SearchStrategy[list[str]]


def images_of(captions: Captions) -> st.SearchStrategy[list[tuple[list[str], list[list[str]]]]]:
    """Up to nine images: each a caption made and one to four references, all drawn alike."""
    image = st.tuples(captions, st.lists(captions, min_size=1, max_size=4))
    return st.lists(image, min_size=1, max_size=9)


def fakecap_tokens() -> Any:
    """The tokens of COCO's demo captions: {"res" or "gts": {image id: captions}}."""
    return read_golden("captioning/fakecap_ptb_tokens.json.gz")


def fakecap_golden() -> Any:
    """pycocoevalcap's scores of them: {"per_image": {image id: {metric: score}}, …}."""
    return read_golden("captioning/fakecap_golden.json.gz")


def fakecap_captions() -> tuple[dict[str, str], dict[str, list[str]]]:
    """The demo captions as they were written: (image id: caption, image id: references)."""
    references: dict[str, list[str]] = {}
    for row in read_golden("captioning/fakecap_refs.json.gz")["annotations"]:
        references.setdefault(str(row["image_id"]), []).append(row["caption"])
    results = read_golden("captioning/fakecap_results.json.gz")
    return {str(row["image_id"]): row["caption"] for row in results}, references

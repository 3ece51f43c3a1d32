"""COCO captions: Karpathy's `dataset_coco.json`, and the official `captions_*.json`.

Karpathy's file names each image's folder and split; the official one lists images and
captions apart. Samples come in the order of the file, one an image, with all its captions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..jsonio import clean_text
from ..types import Image, Json, Sample
from .jsonfile import id_of
from .layout import need_file


def read_karpathy(root: Path, split: str) -> Iterator[Sample]:
    """Yield the images of one Karpathy split: `train`, `restval`, `val` or `test`.

    `root` holds `dataset_coco.json` and the image folders it names (`val2014/`).
    """
    path = need_file(root / "dataset_coco.json")
    for row in _rows(_load(path), "images", path):
        try:
            if row["split"] != split:
                continue
            image = root / row.get("filepath", "") / row["filename"]
            references = tuple(_text(sentence["raw"]) for sentence in row["sentences"])
            sample_id = id_of(row, "cocoid")
        except (KeyError, TypeError, AttributeError) as error:
            raise _malformed(path, error) from error
        yield _sample(sample_id, image, references)


def read_captions(root: Path, split: str) -> Iterator[Sample]:
    """Yield the images of `annotations/captions_<split>.json`, for example `val2014`."""
    inside = root / "annotations" / f"captions_{split}.json"
    path = need_file(inside if inside.exists() else root / f"captions_{split}.json", shown=inside)
    data = _load(path)
    try:
        images = _rows(data, "images", path)
        captions: dict[int, list[str]] = {image["id"]: [] for image in images}
        for annotation in _rows(data, "annotations", path):
            if annotation["image_id"] not in captions:
                raise TypeError(f"a caption of image {annotation['image_id']}, which is not listed")
            captions[annotation["image_id"]].append(_text(annotation["caption"]))
        for image in images:
            name = image.get("file_name") or f"COCO_{split}_{image['id']:012d}.jpg"
            yield _sample(id_of(image, "id"), root / split / name, tuple(captions[image["id"]]))
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(path, error) from error


def _sample(sample_id: str, image: Path, references: tuple[str, ...]) -> Sample:
    return Sample(sample_id, {"image": Image(image)}, references, cluster=sample_id)


def _load(path: Path) -> Json:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _malformed(path, error) from error


def _rows(data: Json, key: str, path: Path) -> list[Json]:
    """Return a list of the file by its name."""
    if not isinstance(data, dict) or not isinstance(data.get(key), list):
        raise _malformed(path, TypeError(f"no list {key!r}"))
    rows: list[Json] = data[key]
    return rows


def _text(caption: Json) -> str:
    if not isinstance(caption, str):
        raise TypeError(f"caption {caption!r} is not text")
    return clean_text(caption)


def _malformed(path: Path, error: Exception) -> UsageError:
    what = f"no field {error}" if isinstance(error, KeyError) else str(error)
    return UsageError(f"{path} is not a COCO caption file ({what}); fetch the official one again")

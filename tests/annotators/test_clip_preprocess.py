"""The two crop rules, and what is read from models' configurations."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from mio_eval.annotators.clip_preprocess import Preprocess, crop_start
from mio_eval.errors import UsageError

CLIP = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
SIGLIP = {
    "size": {"height": 384, "width": 384},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
}
OPEN_CLIP = {
    "size": (224, 224),
    "mean": CLIP["image_mean"],
    "std": CLIP["image_std"],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


@pytest.mark.parametrize("margin", range(12))
def test_crop_rules_differ_at_3_modulo_4(margin):
    floor = crop_start(224 + margin, 224, "center-floor")
    rounded = crop_start(224 + margin, 224, "center-round")
    assert floor == margin // 2
    assert rounded - floor == (1 if margin % 4 == 3 else 0)


def test_coco_640_by_427_differs():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (427, 640, 3), dtype=np.uint8))
    floor = Preprocess.from_transformers(CLIP)
    rounded = Preprocess.from_open_clip(OPEN_CLIP)
    assert (floor.crop, rounded.crop) == ("center-floor", "center-round")
    a, b = floor(image), rounded(image)
    assert a.shape == b.shape == (3, 224, 224)
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a[:, :, 1:], b[:, :, :-1])
    assert np.abs(a - b).max() > 1


def test_both_spellings_of_sizes():
    spelt = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
    assert Preprocess.from_transformers(CLIP | spelt) == Preprocess.from_transformers(CLIP)
    assert Preprocess.from_open_clip(OPEN_CLIP | {"size": 224}) == Preprocess.from_open_clip(
        OPEN_CLIP
    )


def test_siglip_squashes():
    preprocess = Preprocess.from_transformers(SIGLIP)
    assert (preprocess.size, preprocess.crop) == ((384, 384), "none")
    assert preprocess(Image.new("RGB", (50, 90), "white")).shape == (3, 384, 384)
    assert preprocess(Image.new("RGBA", (9, 9), (255, 255, 255, 0))).max() == 1
    squash = OPEN_CLIP | {"resize_mode": "squash"}
    assert Preprocess.from_open_clip(squash).crop == "none"


@pytest.mark.parametrize(
    "change",
    [
        {"do_rescale": False},
        {"do_resize": False},
        {"rescale_factor": 1.0},
        {"rescale_factor": [1]},
        {"size": 0},
        {"size": {"shortest_edge": "wide"}},
        {"image_mean": None},
        {"image_mean": [0.5]},
        {"resample": 0},
        {"crop_size": 256},
        {"size": {"height": 224, "width": 224}},
        {"size": {"longest_edge": 224}, "do_center_crop": False},
    ],
)
def test_other_steps_are_refused(change):
    with pytest.raises(UsageError):
        Preprocess.from_transformers(CLIP | change)


@pytest.mark.parametrize("field", ["size", "image_mean", "resample"])
def test_missing_fields_are_named(field):
    with pytest.raises(UsageError, match=field):
        Preprocess.from_transformers({k: v for k, v in CLIP.items() if k != field})


@pytest.mark.parametrize(
    "change", [{"resize_mode": "longest"}, {"interpolation": "random"}, {"size": (224, 336)}]
)
def test_other_open_clip_steps_are_refused(change):
    with pytest.raises(UsageError, match="unsupported"):
        Preprocess.from_open_clip(OPEN_CLIP | change)

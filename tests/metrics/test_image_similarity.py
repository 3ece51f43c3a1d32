"""CLIP-I, CLIP-T and CLIPScore on embeddings, against GILL's and torchmetrics' values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mio_eval.metrics.image_similarity import (
    clip_i,
    clip_i_items,
    clip_score,
    clip_score_items,
    clip_t,
    clip_t_items,
    cosine_pairs,
)

GOLDEN = Path(__file__).parents[1] / "golden"
CLIP = json.loads((GOLDEN / "clip" / "clip_golden.json").read_text(encoding="utf-8"))
EMBEDDINGS = np.load(GOLDEN / "clip" / "embeddings.npz")

vectors = hnp.arrays(
    np.float64, (5, 4), elements=st.floats(-9, 9).map(lambda x: x + 0.01 if x >= 0 else x - 0.01)
)


def gill_pairs(key):
    row = {name: i for i, name in enumerate(CLIP["names"])}
    images = EMBEDDINGS[key]
    left, right = zip(*CLIP["gill_pairs"], strict=True)
    return images[[row[n] for n in left]], images[[row[n] for n in right]]


def test_clip_i_is_gills():
    scores = clip_i_items(*gill_pairs("image_pil"))
    np.testing.assert_allclose(scores, 100 * np.array(CLIP["gill_scores"]), rtol=0, atol=1e-4)
    assert clip_i(*gill_pairs("image_pil")) == pytest.approx(100 * CLIP["gill_mean"], abs=1e-5)
    other = CLIP["gill_mean_torchvision_processor"]
    assert clip_i(*gill_pairs("image_torchvision")) == pytest.approx(100 * other, abs=1e-5)


def test_clip_t_is_not_clamped():
    images, texts = EMBEDDINGS["image_pil"], EMBEDDINGS["text"]
    np.testing.assert_allclose(cosine_pairs(images, texts), CLIP["clip_t_cos"], rtol=0, atol=1e-6)
    assert clip_t(images, texts) == pytest.approx(CLIP["clip_t_mean_x100"], abs=1e-5)
    items = clip_t_items(images, texts)
    assert (items < 0).any()
    clamped = np.maximum(items, 0).mean()
    assert clamped == pytest.approx(CLIP["mean(max(100cos,0)) per item clamp"], abs=1e-5)
    assert (
        CLIP["torchmetrics_clip_score_rule: max(mean(100*cos),0)"] == 0.0 != clip_t(images, texts)
    )


def test_clip_score_is_the_papers():
    images, texts = EMBEDDINGS["image_pil"], EMBEDDINGS["text"]
    expected = CLIP["CLIPScore_paper_rule: mean(2.5*max(cos,0))"]
    assert clip_score(images, texts) == pytest.approx(expected, abs=1e-6)
    assert clip_score_items([[1.0, 0.0]], [[1.0, 0.0]])[0] == 2.5
    assert clip_score_items([[1.0, 0.0]], [[-1.0, 0.0]])[0] == 0.0


def test_clap_values_follow_the_same_cosine():
    """The rule of CLAP's score: mean cosine, no clamp."""
    music = GOLDEN / "music"
    golden = json.loads((music / "clap_fad_golden.json").read_text(encoding="utf-8"))
    clap = np.load(music / "clap_embeddings.npz")
    cosines = cosine_pairs(clap["text"], clap["audio"])
    np.testing.assert_allclose(cosines, golden["cos"], rtol=0, atol=1e-6)
    assert cosines.mean() == pytest.approx(0.3547286093235016, abs=1e-6)


@given(vectors, vectors, st.floats(0.01, 100))
def test_cosine(a, b, scale):
    cosines = cosine_pairs(a, b)
    assert (np.abs(cosines) <= 1).all()
    np.testing.assert_allclose(cosines, cosine_pairs(b, a), atol=1e-12)
    np.testing.assert_allclose(cosines, cosine_pairs(scale * a, b), atol=1e-12)
    np.testing.assert_allclose(cosines, -cosine_pairs(-a, b), atol=1e-12)
    np.testing.assert_allclose(cosine_pairs(a, a), 1, atol=1e-12)
    assert clip_i(a, b) == pytest.approx(clip_i_items(a, b).mean())


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([[1.0, 0.0]], [[1.0, 0.0, 0.0]], "one width"),
        ([[1.0, 0.0]], [[1.0, 0.0]] * 2, "as many pairs"),
        ([1.0, 0.0], [1.0, 0.0], "shape"),
        ([[0.0, 0.0]], [[1.0, 0.0]], "row 0 of a is zero"),
        ([[1.0, 0.0]], [[np.nan, 0.0]], "row 0 of b"),
    ],
)
def test_refuses(a, b, message):
    with pytest.raises(ValueError, match=message):
        cosine_pairs(a, b)


def test_nothing_scored_is_no_number():
    empty = np.empty((0, 4))
    assert np.isnan(clip_i(empty, empty))
    assert np.isnan(clip_t(empty, empty))
    assert np.isnan(clip_score(empty, empty))

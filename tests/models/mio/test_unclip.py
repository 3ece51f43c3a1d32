"""unCLIP against what the pipeline bundled with MIO's release painted from the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference.unclip import LATENT_SEED, NOISE_SEED, STEPS, WIDTH, embedding, write_pipeline

from mio_eval.errors import UsageError
from mio_eval.models.seed2.unclip import UnClip

GOLDEN = Path(__file__).parents[2] / "golden" / "mio" / "unclip.npz"


@pytest.fixture(scope="module")
def unclip(tmp_path_factory: pytest.TempPathFactory) -> UnClip:
    from mio_eval.compat import import_torchvision

    import_torchvision()
    folder = write_pipeline(tmp_path_factory.mktemp("unclip") / "release")
    return UnClip(folder, "cpu", torch.float32, LATENT_SEED)


def test_the_image_equals_the_reference(unclip: UnClip, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unclip.embedding == WIDTH
    seen = {}
    encode = unclip._pipe._encode_image
    monkeypatch.setattr(
        unclip._pipe, "_encode_image", lambda **given: seen.setdefault("condition", encode(**given))
    )
    painted = np.asarray(unclip.paint(embedding(), NOISE_SEED, steps=STEPS))
    golden = np.load(GOLDEN)
    np.testing.assert_allclose(seen["condition"], golden["condition"], rtol=1e-4, atol=1e-6)
    theirs = (golden["image"] * 255).round()
    assert painted.shape == theirs.shape
    assert len(np.unique(theirs)) > 50
    # Rounding to whole greys may fall either way.
    np.testing.assert_allclose(painted.astype(float), theirs, atol=1)


def test_the_seed_decides_the_noise(unclip: UnClip) -> None:
    first, again, other = (
        np.asarray(unclip.paint(embedding(), seed, steps=STEPS)) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Stable unCLIP pipeline"):
        UnClip(tmp_path, "cpu", torch.float32, 0)

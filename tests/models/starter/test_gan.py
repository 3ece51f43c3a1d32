"""The starter's face generator."""

from __future__ import annotations

import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.starter.assets import ASSETS, fetch  # noqa: E402
from mio_eval.models.starter.gan import (  # noqa: E402
    LATENT,
    SIZE,
    WEIGHTS,
    FaceGenerator,
    latent,
    network,
)

FIRST = (-0.73876476, 1.4026016, -0.9052518)  # of "a cat" with seed 0


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A file like the packaged one, with weights at random."""
    path = tmp_path_factory.mktemp("gan") / WEIGHTS
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = network()
    torch.save({"netG_state_dict": {f"main.{k}": v for k, v in net.state_dict().items()}}, path)
    return path


def test_latents_are_frozen():
    first = latent("a cat", 0)
    assert first.shape == (LATENT,)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, latent("a cat", 0))
    assert not np.array_equal(first, latent("a dog", 0))
    assert not np.array_equal(first, latent("a cat", 1))
    np.testing.assert_allclose(first[:3], FIRST, atol=1e-6)


def test_the_network_has_the_published_size():
    assert sum(p.numel() for p in network().parameters()) == 3_576_704


def test_the_same_text_gives_the_same_bytes(untrained):
    before = torch.get_num_threads()
    first, second = FaceGenerator(untrained), FaceGenerator(untrained)
    data = first.png("a cat", 3)
    assert data == second.png("a cat", 3)
    assert data != first.png("a cat", 4)
    assert torch.get_num_threads() == before
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size, image.mode) == ("PNG", (SIZE, SIZE), "RGB")


@pytest.mark.parametrize(
    "checkpoint", [{}, {"netG_state_dict": {}}, [1], {"netG_state_dict": {"main.0.weight": 1}}]
)
def test_another_model_is_a_usage_error(tmp_path, checkpoint):
    torch.save(checkpoint, tmp_path / WEIGHTS)
    with pytest.raises(UsageError, match="cannot load the face generator"):
        FaceGenerator(tmp_path / WEIGHTS)


def test_a_damaged_file_is_a_usage_error(tmp_path):
    (tmp_path / WEIGHTS).write_bytes(b"not weights")
    with pytest.raises(UsageError, match="cannot load the face generator"):
        FaceGenerator(tmp_path / WEIGHTS)
    with pytest.raises(UsageError, match="cannot load the face generator"):
        FaceGenerator(tmp_path / "absent")


def test_no_threads_is_refused(untrained):
    with pytest.raises(ValueError, match="threads"):
        FaceGenerator(untrained, threads=0)


@pytest.mark.starter
def test_faces_come_out():
    """The quarters of one face as it was when a grid of 32 was looked at and all were faces."""
    faces = FaceGenerator(fetch(ASSETS["face-gan"]) / WEIGHTS)
    pixels = np.asarray(faces.generate("a cat on a mat"), dtype=float)
    expected = [
        [[113.08, 100.55, 95.39], [43.56, 24.95, 17.53]],
        [[56.5, 39.57, 30.12], [33.01, 17.46, 12.6]],
    ]
    quarters = pixels.reshape(2, 32, 2, 32, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(quarters, expected, atol=0.5)
    others = np.stack([np.asarray(faces.generate(f"face {i}"), dtype=float) for i in range(8)])
    assert others.std(axis=0).mean() > 20

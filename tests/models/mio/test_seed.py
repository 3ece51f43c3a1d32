"""SEED-2 against what its released code computed on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models.token_llm.release import write_seed
from PIL import Image
from reference.seed_tokenizer import SMALL, pixels

from mio_eval.errors import UsageError
from mio_eval.models.seed2.tokenizer import MEAN, STD, SeedTokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "mio"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SeedTokenizer:
    return SeedTokenizer.from_folder(
        write_seed(tmp_path_factory.mktemp("seed") / "release", separate=True)
    )


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "seed_tokenizer.npz"))


def test_codes_and_embeddings_equal_the_reference(
    tokenizer: SeedTokenizer, golden: dict[str, np.ndarray]
) -> None:
    x = pixels(SMALL["image"])
    features = tokenizer.features(x).numpy()
    np.testing.assert_allclose(features, golden["features"], rtol=1e-4, atol=1e-5)
    codes = tokenizer.encode(x)
    assert codes.tolist() == golden["codes"].tolist()
    assert len(set(codes.flatten().tolist())) > 10  # a constant would agree too easily
    embeddings = tokenizer.embed(codes).numpy()
    np.testing.assert_allclose(embeddings, golden["embeddings"], rtol=1e-4, atol=1e-5)


def test_the_image_encoder_may_lie_in_the_same_file(
    tmp_path: Path, golden: dict[str, np.ndarray]
) -> None:
    one = SeedTokenizer.from_folder(write_seed(tmp_path / "release", separate=False))
    assert one.encode(pixels(SMALL["image"])).tolist() == golden["codes"].tolist()


def test_a_batch_gives_the_codes_of_its_images(tokenizer: SeedTokenizer) -> None:
    x = pixels(SMALL["image"])
    alone = torch.cat([tokenizer.encode(image[None]) for image in x])
    assert torch.equal(tokenizer.encode(x), alone)


@pytest.mark.parametrize("resize", ["bilinear", "bicubic"])
def test_pixels_equal_torchvision(tokenizer: SeedTokenizer, resize: str) -> None:
    from mio_eval.compat import import_torchvision

    transforms = import_torchvision().transforms
    noise = np.random.default_rng(0).integers(0, 256, (31, 77, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    theirs = transforms.Compose(
        [
            transforms.Resize(
                (tokenizer.sizes.image,) * 2,
                interpolation=transforms.InterpolationMode(resize),
            ),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )(image)
    torch.testing.assert_close(tokenizer.pixels(image, resize), theirs, rtol=1e-6, atol=1e-6)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        SeedTokenizer.from_folder(tmp_path)
    folder = write_seed(tmp_path / "release", separate=False)
    state = torch.load(folder / "seed_quantizer.pt", weights_only=True)
    del state["encode_task_layer.2.weight"]
    torch.save(state, folder / "seed_quantizer.pt")
    with pytest.raises(UsageError, match="to_code"):
        SeedTokenizer.from_folder(folder)


def test_codes_of_a_wrong_shape_are_refused(tokenizer: SeedTokenizer) -> None:
    with pytest.raises(ValueError, match="expected"):
        tokenizer.embed(torch.zeros(1, 31, dtype=torch.long))

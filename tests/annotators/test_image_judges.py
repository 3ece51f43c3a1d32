"""The aesthetic predictor and the Inception features, at random weights."""

from __future__ import annotations

from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("PIL")

from annotators.tiny_siglip import write_siglip  # noqa: E402
from PIL import Image  # noqa: E402

from mio_eval.annotators.aesthetic import AestheticPredictor, read_head  # noqa: E402
from mio_eval.annotators.clip_models import load_encoder  # noqa: E402
from mio_eval.annotators.fid_features import ClipFeatures, InceptionFeatures  # noqa: E402
from mio_eval.compat import import_torchvision  # noqa: E402
from mio_eval.errors import UsageError  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "clip"
import_torchvision()  # transformers imports it too, and would fail where it needs a repair


@pytest.fixture(scope="module")
def images():
    names = ("astronaut", "grad", "tiny")
    return [Image.open(GOLDEN / "images" / f"{n}.png").convert("RGB") for n in names]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    """A SigLIP at random weights and a head for it."""
    folder = tmp_path_factory.mktemp("siglip")
    write_siglip(folder)
    widths, state = [32, 1024, 128, 64, 16, 1], OrderedDict()
    for index in range(5):
        shape = (widths[index + 1], widths[index])
        state[f"scoring_head.{2 * index}.weight"] = torch.randn(shape) / shape[1] ** 0.5
        state[f"scoring_head.{2 * index}.bias"] = torch.randn(shape[0])
    torch.save(state, folder / "head.pth")
    return folder


def test_aesthetic_scores(siglip, images):
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    predictor = AestheticPredictor(str(siglip), siglip / "head.pth", device="cpu", batch=2)
    scores = predictor.scores(images)
    assert scores.shape == (3,)
    assert predictor.identity.startswith("aesthetic-v2.5/local@sha256-")
    state = torch.load(siglip / "head.pth", weights_only=True)
    model = transformers.SiglipModel.from_pretrained(siglip).eval()
    processor = SiglipImageProcessorPil.from_pretrained(siglip)
    with torch.inference_mode():
        pixels = torch.cat([processor(i, return_tensors="pt").pixel_values for i in images])
        x = model.get_image_features(pixel_values=pixels).pooler_output
        x = x / x.norm(dim=1, keepdim=True)
        for index in range(0, 10, 2):
            weight = state[f"scoring_head.{index}.weight"]
            x = x @ weight.T + state[f"scoring_head.{index}.bias"]
    np.testing.assert_allclose(scores, x[:, 0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.skipif(
    find_spec("aesthetic_predictor_v2_5") is None, reason="needs aesthetic-predictor-v2-5"
)
def test_aesthetic_scores_are_the_packages(siglip, images):
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    import_torchvision()
    from aesthetic_predictor_v2_5 import convert_v2_5_from_siglip

    model, _ = convert_v2_5_from_siglip(str(siglip / "head.pth"), str(siglip))
    processor = SiglipImageProcessorPil.from_pretrained(siglip)
    with torch.inference_mode():
        pixels = torch.cat([processor(i, return_tensors="pt").pixel_values for i in images])
        expected = model(pixels).logits[:, 0].numpy()
    scores = AestheticPredictor(str(siglip), siglip / "head.pth", device="cpu").scores(images)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


def test_aesthetic_without_its_models(siglip, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        UsageError, match=r"aesthetic .*: cannot load mio-eval-tests/none.*local files"
    ):
        AestheticPredictor("mio-eval-tests/none").scores([])
    with pytest.raises(UsageError, match="no head for embeddings of 64"):
        read_head(siglip / "head.pth", 64)
    (tmp_path / "head.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(UsageError, match="cannot load the head"):
        read_head(tmp_path / "head.pth", 32)


def test_a_failed_download_is_one_line(siglip, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(UsageError, match=r"no route to host.*use local files: encoder, head"):
        AestheticPredictor(str(siglip)).load()


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """An Inception3 at random weights, and its file."""
    if import_torchvision() is None:
        pytest.skip("needs torchvision")
    from torchvision.models.inception import Inception3

    torch.manual_seed(0)
    network = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.05, 0.3)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def test_inception_features(inception, images, monkeypatch):
    """torchvision's own forward pass, with the two changes that the weights need."""
    from torch.nn import functional
    from torchvision.models import inception as original

    extractor = InceptionFeatures(inception, device="cpu", batch=1)
    features = extractor.features(images[1:])
    assert features.shape == (2, 2048)
    assert features.dtype == np.float32
    assert extractor.identity.startswith("pt_inception-2015-12-05@sha256-")
    assert extractor.features([]).shape == (0, 2048)

    class Changed:
        calls = 0

        def __getattr__(self, name):
            return getattr(functional, name)

        def avg_pool2d(self, x, **options):
            self.calls += 1
            if self.calls % 9 == 0:  # the last of nine blocks
                return functional.max_pool2d(x, **options)
            return functional.avg_pool2d(x, count_include_pad=False, **options)

    network = original.Inception3(num_classes=1008, aux_logits=False, init_weights=False).eval()
    network.load_state_dict(torch.load(inception, weights_only=True))
    network.fc = torch.nn.Identity()
    changed = Changed()
    monkeypatch.setattr(original, "F", changed)
    with torch.inference_mode():
        for image, row in zip(images[1:], features, strict=True):
            expected = network(2 * resized(image) - 1)[0].numpy()
            np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)
    assert changed.calls == 18


def resized(image):
    pixels = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy()).float()[None] / 255
    return torch.nn.functional.interpolate(pixels, (299, 299), mode="bilinear", align_corners=False)


@pytest.mark.skipif(find_spec("pytorch_fid") is None, reason="needs pytorch-fid")
def test_inception_features_are_pytorch_fids(inception, images, monkeypatch):
    features = InceptionFeatures(inception, device="cpu", batch=2).features(images[:2])
    import pytorch_fid.inception as original

    state = torch.load(inception, weights_only=True)
    monkeypatch.setattr(original, "load_state_dict_from_url", lambda *_, **__: state)
    network = original.InceptionV3([3]).eval()
    with torch.inference_mode():
        for image, row in zip(images[:2], features, strict=True):
            pixels = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy()).float() / 255
            expected = network(pixels[None])[0][0, :, 0, 0].numpy()
            np.testing.assert_allclose(row, expected, rtol=0, atol=1e-4)


def test_inception_wants_its_own_weights(inception, tmp_path):
    with pytest.raises(UsageError, match="no file"):
        InceptionFeatures(tmp_path / "none.pth")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(
        UsageError, match=r"cannot load .*other\.pth .*use a local file of pytorch-fid's"
    ):
        InceptionFeatures(tmp_path / "other.pth")


def test_clip_features(images):
    encoder = load_encoder(f"hf/{GOLDEN / 'tiny_clip'}", device="cpu")
    extractor = ClipFeatures(encoder)
    assert extractor.identity == f"{encoder.identity}+center-floor+l2"
    np.testing.assert_array_equal(extractor.features(images), encoder.images(images))

"""EfficientNet-Lite0: architecture without weights, and golden logits with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.starter.assets import ASSETS, fetch  # noqa: E402
from mio_eval.models.starter.captioner import verbalise  # noqa: E402
from mio_eval.models.starter.efficientnet import (  # noqa: E402
    BLOCKS,
    EPSILON,
    Classifier,
    Network,
    _same,
    preprocess,
    state_shapes,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "starter"


def random_state(seed: int = 0):
    """Weights at random, with batch norms far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in state_shapes().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(shape, dtype=torch.int64)
        elif name.endswith(("running_var", "_bn0.weight", "_bn1.weight", "_bn2.weight")):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) == 4:
            fan_in = shape[1] * shape[2] * shape[3]
            state[name] = torch.randn(shape, generator=generator) / fan_in**0.5
        else:
            state[name] = 0.1 * torch.randn(shape, generator=generator)
    return state


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other are slow on shared cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def classifier():
    return Classifier(fetch(ASSETS["efficientnet-lite0"]) / "efficientnet-lite0.pth")


def test_the_size_is_the_published_one():
    shapes = state_shapes()
    learned = {n: s for n, s in shapes.items() if n.endswith((".weight", ".bias"))}
    assert sum(torch.Size(shape).numel() for shape in learned.values()) == 4_652_008
    assert len(BLOCKS) == 16
    assert [index for index, block in enumerate(BLOCKS) if block.shortcut] == [
        2, 4, 6, 7, 9, 10, 12, 13, 14,
    ]  # fmt: skip


def test_random_weights_give_finite_logits_of_the_right_shape():
    logits = Network(random_state())(torch.randn(2, 3, 224, 224))
    assert logits.shape == (2, 1000)
    assert torch.isfinite(logits).all()


def test_folding_the_batch_norms_changes_nothing():
    """The same network written with torch's own convolution, padding and batch norm."""
    state = random_state()
    x = torch.randn(1, 3, 97, 64, generator=torch.Generator().manual_seed(1))

    def step(x, weight, norm, stride=1, groups=1):
        kernel = state[f"{weight}.weight"]
        left, right = _same(x.shape[3], kernel.shape[3], stride)
        top, bottom = _same(x.shape[2], kernel.shape[2], stride)
        x = torch.nn.functional.pad(x, (left, right, top, bottom))
        x = torch.nn.functional.conv2d(x, kernel, stride=stride, groups=groups)
        parts = [state[f"{norm}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        return torch.nn.functional.batch_norm(x, *parts, eps=EPSILON)

    relu6 = torch.nn.functional.relu6
    y = relu6(step(x, "_conv_stem", "_bn0", stride=2))
    for index in range(16):
        name, inputs = f"_blocks.{index}.", y
        if index:
            y = relu6(step(y, f"{name}_expand_conv", f"{name}_bn0"))
        stride = 2 if index in {1, 3, 5, 11} else 1
        y = relu6(step(y, f"{name}_depthwise_conv", f"{name}_bn1", stride, y.shape[1]))
        y = step(y, f"{name}_project_conv", f"{name}_bn2")
        y = y + inputs if y.shape == inputs.shape else y
    y = relu6(step(y, "_conv_head", "_bn1")).mean(dim=(2, 3))
    expected = torch.nn.functional.linear(y, state["_fc.weight"], state["_fc.bias"])
    torch.testing.assert_close(Network(state)(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "expected"),
    [
        (224, 3, 2, (0, 1)),
        (112, 5, 2, (1, 2)),
        (7, 5, 1, (2, 2)),
        (7, 1, 1, (0, 0)),
        (7, 3, 2, (1, 1)),
    ],
)
def test_padding_is_tensorflows(length, kernel, stride, expected):
    assert _same(length, kernel, stride) == expected


def test_a_state_that_is_not_the_networks_is_refused():
    state = random_state()
    missing = {n: v for n, v in state.items() if n != "_conv_stem.weight"}
    with pytest.raises(ValueError, match=r"missing _conv_stem\.weight"):
        Network(missing)
    with pytest.raises(ValueError, match="unknown extra"):
        Network(state | {"extra": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"_fc\.bias has shape \(10,\), expected \(1000,\)"):
        Network(state | {"_fc.bias": torch.zeros(10)})


def test_unusable_weight_files_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="cannot load the classifier"):
        Classifier(tmp_path / "absent.pth")
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"not weights")
    with pytest.raises(UsageError, match="damaged"):
        Classifier(damaged)
    other = tmp_path / "other.pth"
    torch.save([1, 2], other)
    with pytest.raises(UsageError, match="named tensors"):
        Classifier(other)
    torch.save({"a": torch.zeros(1)}, other)
    with pytest.raises(UsageError, match="not EfficientNet-Lite0"):
        Classifier(other)


def test_a_weight_file_cannot_run_code(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"_fc.bias": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(UsageError, match="damaged"):
        Classifier(tmp_path / "hostile.pth")
    assert not (tmp_path / "ran").exists()


def test_preprocessing_takes_the_centre_and_scales():
    image = Image.new("RGB", (512, 256), "red")
    image.paste((127, 127, 127), (144, 16, 368, 240))  # the central 224 x 224
    pixels = preprocess(image)
    assert pixels.shape == (3, 224, 224)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels, torch.zeros(3, 224, 224))
    white = preprocess(Image.new("RGB", (300, 300), "white"))
    assert torch.equal(white, torch.ones(3, 224, 224))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (3, 500)])
def test_every_mode_and_size_is_taken(mode, size):
    pixels = preprocess(Image.new(mode, size))
    assert pixels.shape == (3, 224, 224)
    assert torch.isfinite(pixels).all()


def test_transparent_parts_are_white():
    assert torch.equal(preprocess(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), torch.ones(3, 224, 224))


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(ValueError, match="no pixels"):
        preprocess(Image.new("RGB", (0, 5)))


@pytest.mark.starter
@pytest.mark.parametrize("photo", ["chelsea.png", "coffee.png"])
def test_logits_are_those_of_the_original_code(classifier, photo):
    golden = json.loads((GOLDEN / "efficientnet_lite0.json").read_text(encoding="utf-8"))
    logits = classifier.logits([Image.open(GOLDEN / photo)])
    torch.testing.assert_close(logits, torch.tensor([golden[photo]]), atol=1e-4, rtol=0)


@pytest.mark.starter
def test_photos_are_named_right(classifier):
    photos = [Image.open(GOLDEN / name) for name in ("chelsea.png", "coffee.png")]
    probabilities = classifier.probabilities(photos)
    assert probabilities.shape == (2, 1000)
    said = [verbalise(row, classifier.labels) for row in probabilities.tolist()]
    assert said == ["a photo of a cat", "a photo of an espresso"]


@pytest.mark.starter
def test_neighbours_do_not_matter(classifier):
    cat, cup = (Image.open(GOLDEN / name) for name in ("chelsea.png", "coffee.png"))
    together = classifier.logits([cat, cup, cat])
    assert torch.equal(together[0], together[2])
    assert torch.equal(together[1:2], classifier.logits([cup]))
    assert classifier.logits([]).shape == (0, 1000)


@pytest.mark.starter
def test_the_number_of_torch_threads_is_given_back(classifier):
    before = torch.get_num_threads()
    classifier.logits([Image.new("RGB", (10, 10))])
    assert torch.get_num_threads() == before


def test_arguments_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected 1000 labels, got 2"):
        Classifier(tmp_path, labels=["a", "b"])
    with pytest.raises(ValueError, match="threads"):
        Classifier(tmp_path, threads=0)

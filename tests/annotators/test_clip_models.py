"""CLIP encoders against golden values and against the libraries themselves, at random weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import string
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
PIL = pytest.importorskip("PIL")
transformers = pytest.importorskip("transformers")

from annotators.tiny_siglip import write_siglip  # noqa: E402
from PIL import Image  # noqa: E402

from mio_eval.annotators.clip_models import digest, exact_inference, load_encoder, slug  # noqa: E402
from mio_eval.compat import import_torchvision  # noqa: E402
from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.metrics.image_similarity import clip_i, clip_t, cosine_pairs  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "clip"
CLIP = json.loads((GOLDEN / "clip_golden.json").read_text(encoding="utf-8"))
EMBEDDINGS = np.load(GOLDEN / "embeddings.npz")
PIXELS = np.load(GOLDEN / "pixel_values_fp16.npz")
RULES = [("center-floor", "pil"), ("center-round", "open_clip")]
TEXTS = ["a cat", "Two  dogs, on a MAT!", "", "very " * 90 + "long", "x " * 75, "x " * 76]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def images():
    return [Image.open(GOLDEN / "images" / f"{n}.png").convert("RGB") for n in CLIP["names"]]


@pytest.fixture(scope="module")
def golden():
    return load_encoder(f"hf/{GOLDEN / 'tiny_clip'}", device="cpu", batch=4)


@pytest.mark.parametrize(("crop", "key"), RULES)
def test_golden_pixels_and_embeddings(golden, images, crop, key):
    golden.preprocess = dataclasses.replace(golden.preprocess, crop=crop)
    pixels = np.stack([golden.preprocess(image) for image in images])
    # The fixture is in half precision: 1e-3 near 2.
    np.testing.assert_allclose(pixels[:, :, ::8, ::8], PIXELS[key], rtol=0, atol=1e-3)
    if PIL.__version__ == CLIP["versions"]["PIL"]:
        found = {
            n: hashlib.sha256(p.tobytes()).hexdigest()
            for n, p in zip(CLIP["names"], pixels, strict=True)
        }
        assert found == CLIP["pixel_values_sha256_float32"][key]
    embeddings = golden.images(images)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, unit(EMBEDDINGS[f"image_{key}"]), rtol=0, atol=1e-6)
    golden.preprocess = dataclasses.replace(golden.preprocess, crop="center-floor")


def test_golden_scores(golden, images):
    row = {name: i for i, name in enumerate(CLIP["names"])}
    embeddings = golden.images(images)
    left, right = (
        embeddings[[row[n] for n in side]] for side in zip(*CLIP["gill_pairs"], strict=True)
    )
    np.testing.assert_allclose(cosine_pairs(left, right), CLIP["gill_scores"], rtol=0, atol=1e-6)
    assert clip_i(left, right) == pytest.approx(100 * CLIP["gill_mean"], abs=1e-5)
    tokens = {k: torch.tensor(CLIP[k]) for k in ("input_ids", "attention_mask")}
    with exact_inference():
        texts = golden.embed_tokens(tokens).numpy()
    np.testing.assert_allclose(texts, EMBEDDINGS["text"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(cosine_pairs(embeddings, texts), CLIP["clip_t_cos"], atol=1e-6)
    assert clip_t(embeddings, texts) == pytest.approx(CLIP["clip_t_mean_x100"], abs=1e-5)


def test_identity_is_of_the_content(golden, tmp_path):
    files = ["config.json", "model.safetensors", "preprocessor_config.json"]
    expected = digest([GOLDEN / "tiny_clip" / name for name in files])
    assert golden.keys() == [("enc", f"hf/local@sha256-{expected}"), ("crop", "center-floor")]
    assert slug("open_clip/ViT-L-14/a b|c:d") == "open_clip/vit-l-14/a-b-c-d"


def test_a_model_without_tokenizer_scores_images_only(golden):
    with pytest.raises(UsageError, match=r"tokenizer of hf/.* has . tokens, its model 1000"):
        golden.texts(["a cat"])


def test_batches_do_not_matter(golden, images):
    one = load_encoder(f"hf/{GOLDEN / 'tiny_clip'}", device="cpu", batch=1)
    np.testing.assert_allclose(one.images(images), golden.images(images), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="nothing to embed"):
        one.images([])


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """A CLIP of transformers at random weights, with a tokenizer of single characters."""
    folder = tmp_path_factory.mktemp("clip")
    marks = string.ascii_lowercase + string.digits + string.punctuation
    words = [*marks, *(f"{c}</w>" for c in marks), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    transformers.CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    shared = size | {"num_attention_heads": 2}
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1}
    config = transformers.CLIPConfig(
        text_config=shared | ends | {"vocab_size": len(words), "pad_token_id": len(words) - 1},
        vision_config=shared | {"image_size": 56, "patch_size": 14},
        projection_dim=24,
    )
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(folder)
    settings = json.loads((GOLDEN / "tiny_clip" / "preprocessor_config.json").read_text())
    settings |= {"size": 56, "crop_size": 56}  # numbers, as openai/clip-vit-large-patch14 has
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder, model


def test_transformers_clip_is_the_librarys_own(tiny_clip, images):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder, model = tiny_clip
    encoder = load_encoder(f"hf/{folder}", device="cpu", batch=4)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    pixels = torch.cat([processor(i, return_tensors="pt").pixel_values for i in images])
    ours = np.stack([encoder.preprocess(image) for image in images])
    np.testing.assert_allclose(ours, pixels.numpy(), rtol=0, atol=1e-6)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.inference_mode():
        image = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
        text = model.get_text_features(**tokens).pooler_output.numpy()
    np.testing.assert_allclose(encoder.images(images), unit(image), rtol=0, atol=1e-5)
    np.testing.assert_allclose(encoder.texts(TEXTS), unit(text), rtol=0, atol=1e-5)


def test_long_texts_keep_their_end_and_are_counted(tiny_clip):
    folder, _ = tiny_clip
    encoder = load_encoder(f"hf/{folder}", device="cpu", batch=2)
    encoder.texts(TEXTS)
    assert encoder.truncated == 2  # 75 tokens fit between the two special ones, 76 do not
    tokens = encoder.tokenize(TEXTS, 0)["input_ids"]
    assert tokens.shape == (len(TEXTS), 77)
    end = len(encoder._tokenizer) - 1
    assert tokens[3, -1] == tokens[4, -1] == tokens[5, -1] == end
    assert (tokens[4, 1:-1] != end).all()


def test_transformers_siglip_is_the_librarys_own(tmp_path, images):
    model, processor = write_siglip(tmp_path)
    encoder = load_encoder(f"hf/{tmp_path}", device="cpu")
    assert encoder.crop == "none"
    pixels = torch.cat([processor(i, return_tensors="pt").pixel_values for i in images])
    with torch.inference_mode():
        expected = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
    np.testing.assert_allclose(encoder.images(images), unit(expected), rtol=0, atol=1e-5)


def test_missing_weights_are_refused(tiny_clip, tmp_path):
    from safetensors.torch import load_file, save_file

    folder, _ = tiny_clip
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UsageError, match=r"lacks visual_projection\.weight;"):
        load_encoder(f"hf/{tmp_path}", device="cpu")


@pytest.fixture(scope="module")
def open_clip():
    import_torchvision()
    return pytest.importorskip("open_clip")


@pytest.fixture(scope="module")
def tiny_open_clip(open_clip, tmp_path_factory):
    """An open_clip model at random weights under the name `mio-tiny`, and its checkpoint."""
    folder = tmp_path_factory.mktemp("open_clip")
    config = {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 56,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 14,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 1,
        },
    }
    (folder / "mio-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms("mio-tiny")
    torch.save(model.state_dict(), folder / "weights.pt")
    return folder / "weights.pt", model.eval(), transform


def test_open_clip_is_the_librarys_own(open_clip, tiny_open_clip, images):
    weights, model, transform = tiny_open_clip
    encoder = load_encoder(f"open_clip/mio-tiny/{weights}", device="cpu", batch=4)
    expected = f"open_clip/mio-tiny/sha256-{digest([weights])}"
    assert encoder.keys() == [("enc", expected), ("crop", "center-round")]
    rng = np.random.default_rng(0)
    sizes = rng.integers(20, 300, (30, 2))
    odd = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in sizes]
    for image in [*images, *odd]:
        np.testing.assert_array_equal(encoder.preprocess(image), transform(image).numpy())
    with torch.inference_mode():
        image = model.encode_image(torch.stack([transform(i) for i in images]), normalize=True)
        text = model.encode_text(open_clip.get_tokenizer("mio-tiny")(TEXTS), normalize=True)
    np.testing.assert_allclose(encoder.images(images), image.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(encoder.texts(TEXTS), text.numpy(), rtol=0, atol=1e-5)
    assert encoder.truncated == 2


@pytest.mark.parametrize(
    ("spec", "quick"),
    [("ViT-B-32/openai", True), ("ViT-B-32/laion2b_s34b_b79k", False)],
)
def test_open_clip_activation_follows_the_checkpoint(
    open_clip, tiny_open_clip, monkeypatch, spec, quick
):
    """open_clip itself only warns, and computes with another activation function."""
    given = {}

    def create_model(name, **options):
        given.update(options)
        return tiny_open_clip[1]

    monkeypatch.setattr(open_clip, "create_model", create_model)
    encoder = load_encoder(f"open_clip/{spec}", device="cpu")
    assert encoder.identity == f"open_clip/{spec.lower()}"
    assert given["force_quick_gelu"] is quick
    assert given["require_pretrained"] is True


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "clip",
            "the judge clip .*: unknown encoder 'clip'; expected open_clip/MODEL/PRETRAINED, hf/ID",
        ),
        ("hf/", "unknown encoder 'hf/'"),
        ("open_clip/ViT-L-14", "unknown encoder 'open_clip/ViT-L-14'"),
        ("open_clip/ViT-L14/openai", "unknown open_clip model 'ViT-L14'; did you mean ViT-L-14"),
        ("open_clip/ViT-L-14/opnai", "'opnai'; did you mean openai"),
    ],
)
def test_unknown_names(open_clip, spec, message):
    with pytest.raises(UsageError, match=message):
        load_encoder(spec)


def test_a_model_that_cannot_be_fetched(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError) as caught:
        load_encoder("hf/mio-eval-tests/none")
    message = str(caught.value)
    assert message.startswith("the judge clip (it compares images and texts): cannot load hf/mio-")
    assert "--judge clip=hf/FOLDER" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("module", "spec"), [("open_clip", "open_clip/ViT-L-14/openai"), ("transformers", "hf/a/b")]
)
def test_a_missing_package_is_named(monkeypatch, module, spec):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"judge clip .*{module}.*pip install 'mio-eval\[clip\]'"):
        load_encoder(spec)


def test_another_family_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UsageError, match="bert model; supported: clip, siglip"):
        load_encoder(f"hf/{tmp_path}")

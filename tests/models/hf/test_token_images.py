"""Images as tokens, against direct calls of transformers, on tiny models of the real classes."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
Pillow = pytest.importorskip("PIL.Image")

from models.hf import tiny_images as tiny  # noqa: E402
from models.hf.asking import drawn_or_spoken, opened_family, outputs  # noqa: E402

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.hf.family import Checkpoint, LoadOptions  # noqa: E402
from mio_eval.models.hf.settings import request_seed  # noqa: E402
from mio_eval.models.hf.text_to_image import TokenImages  # noqa: E402
from mio_eval.types import Capability, Image, Request, Text  # noqa: E402

TASK = {
    "do_sample": True,
    "top_p": 0.7,
    "temperature": 1.0,
    "repetition_penalty": 1.0,
    "num_beams": 1,
}

open_family = partial(opened_family, TokenImages)


def ask(text: str, name: str = "x", **settings) -> Request:
    return Request(name, (Text(text),), "image", TASK | settings, key=f"{text}/{settings}")


def drawn(family, requests) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(Pillow.open(io.BytesIO(output.read())))
        for name, output in outputs(family, requests).items()
    }


@pytest.fixture(scope="module")
def janus_folder(tmp_path_factory):
    return tiny.write_janus(tmp_path_factory.mktemp("janus"))


@pytest.fixture(scope="module")
def emu3_folder(tmp_path_factory):
    return tiny.write_emu3(tmp_path_factory.mktemp("emu3"))


def direct_janus(folder: Path, request: Request, **settings) -> np.ndarray:
    model = transformers.JanusForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.JanusProcessor.from_pretrained(folder)
    turn = {"role": "user", "content": [{"type": "text", "text": request.parts[0].text}]}
    prompt = processor.apply_chat_template([turn], add_generation_prompt=True)
    inputs = processor(text=prompt, generation_mode="image", return_tensors="pt")
    torch.manual_seed(request_seed(request))
    settings = {"do_sample": True, "top_p": 0.7, "top_k": 0} | settings
    with torch.no_grad():
        tokens = model.generate(**inputs, generation_mode="image", **settings)
        pixels = model.decode_image_tokens(tokens)
    images = processor.postprocess(list(pixels.float()), return_tensors="pt")["pixel_values"]
    return images[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("guidance", [None, 2.0])
def test_janus_draws_what_transformers_draws(janus_folder, guidance):
    settings = {} if guidance is None else {"guidance_scale": guidance}
    request = ask("a cat", **settings)
    expected = direct_janus(janus_folder, request, **settings)
    assert expected.shape == (6, 6, 3)
    assert expected.std() > 10
    family = open_family(janus_folder)
    np.testing.assert_array_equal(drawn(family, [ask("a dog", "y"), request])["x"], expected)


def direct_emu3(folder: Path, request: Request, **settings) -> np.ndarray:
    """The recipe of transformers' guide to Emu3, with its offsets."""
    model = transformers.Emu3ForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.Emu3Processor.from_pretrained(folder)
    settings = {"ratio": "1:1", "negative": ""} | settings
    shape = {"ratio": settings.pop("ratio"), "image_area": 256}
    shape |= {"return_for_image_generation": True, "return_tensors": "pt"}
    inputs = processor(text=[request.parts[0].text], **shape)
    negative = processor(text=[settings.pop("negative")], **shape)
    height, width = inputs.pop("image_sizes")[0]
    words = processor.tokenizer

    def allowed(_, tokens):
        start = torch.nonzero(tokens == words.image_wrapper_token_id)
        unknown = torch.nonzero(
            tokens == words.convert_tokens_to_ids(f"<boi>{height}*{width}<wrap>")
        )
        offset = tokens.shape[0] - int(torch.cat([start, unknown])[0])
        ends = {1: words.eof_token_id, 2: words.eoi_token_id, 3: words.eos_token_id}
        past = offset - (width + 1) * height
        if past in ends:
            return [ends[past]]
        if offset % (width + 1) == 0:
            return [words.convert_tokens_to_ids("<|extra_200|>")]
        return model.vocabulary_mapping.image_tokens

    torch.manual_seed(request_seed(request))
    with torch.no_grad():
        tokens = model.generate(
            **inputs,
            do_sample=True,
            top_p=0.7,
            top_k=0,
            max_new_tokens=200,
            prefix_allowed_tokens_fn=allowed,
            negative_prompt_ids=negative["input_ids"],
            negative_prompt_attention_mask=negative["attention_mask"],
            **settings,
        )
        pixels = model.decode_image_tokens(
            image_tokens=tokens[:, inputs["input_ids"].shape[1] :], height=height, width=width
        )
    images = processor.postprocess(list(pixels.float()), return_tensors="PIL.Image.Image")
    return np.asarray(images["pixel_values"][0])


@pytest.mark.parametrize(
    ("extra", "settings"),
    [
        ({}, {}),
        ({"ratio": "2:1"}, {"ratio": "2:1"}),
        ({"guidance_scale": "2"}, {"guidance_scale": 2.0}),
        ({"negative_prompt": "a dog"}, {"negative": "a dog"}),
    ],
)
def test_emu3_draws_what_transformers_draws(emu3_folder, extra, settings):
    request = ask("a cat")
    expected = direct_emu3(emu3_folder, request, **settings)
    family = open_family(emu3_folder, image_area="256", **extra)
    found = drawn(family, [ask("a dog", "y"), request])
    assert found["x"].shape == expected.shape
    assert expected.std() > 1
    np.testing.assert_array_equal(found["x"], expected)


@pytest.mark.parametrize("kind", ["janus", "emu3"])
def test_an_image_does_not_depend_on_its_batch(kind, request):
    extra = {"image_area": "256"} if kind == "emu3" else {}
    family = open_family(request.getfixturevalue(f"{kind}_folder"), **extra)
    requests = [ask(text, text) for text in ("a cat", "a dog", "cat")]
    first = drawn(family, requests)
    assert len({image.tobytes() for image in first.values()}) > 1
    for name, image in drawn(family, requests[::-1]).items():
        np.testing.assert_array_equal(image, first[name])


def test_what_janus_cannot_do_fails_by_name(janus_folder):
    family = open_family(janus_folder)
    for settings, message in (
        ({"repetition_penalty": 1.15}, "repetition_penalty=1.15: Janus makes images without it"),
        ({"num_beams": 2, "do_sample": False}, "greedy or sampling"),
        ({"guidance_scale": 1.0}, "one over 1 alone"),
        ({"num_inference_steps": 20}, "num_inference_steps is not one of"),
    ):
        (response,) = family.generate([ask("a cat", **settings)])
        assert message in response.failure.message


def test_what_makes_no_images_is_refused():
    for kind, message in (("chameleon", "makes no images"), ("llama", "kind=t2i-tokens runs")):
        checkpoint = Checkpoint("x", None, {"model_type": kind})
        assert not TokenImages.matches(checkpoint)
        with pytest.raises(UsageError, match=message):
            TokenImages(checkpoint, LoadOptions())


def test_arguments_are_those_of_the_architecture(janus_folder, emu3_folder):
    with pytest.raises(UsageError, match="unknown argument of a janus model 'ratio'"):
        open_family(janus_folder, ratio="1:1")
    for extra, message in (
        ({"ratio": "wide"}, "WIDTH:HEIGHT"),
        ({"image_area": "0"}, "from 1 up"),
        ({"guidance_scale": "0.5"}, "from 1 up"),
    ):
        with pytest.raises(UsageError, match=message):
            open_family(emu3_folder, **extra)


@pytest.mark.parametrize("kind", ["janus", "emu3"])
def test_one_checkpoint_draws_and_answers_in_words(kind, request, tmp_path):
    folder = request.getfixturevalue(f"{kind}_folder")
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Pillow.fromarray(pixels).resize((32, 32)).save(tmp_path / "a.png")
    settings = {"max_new_tokens": 6, "num_beams": 1, "do_sample": False}
    looked = Request(
        "words", (Image(path=tmp_path / "a.png"), Text(" a cat")), "text", settings, key="words"
    )
    family = open_family(folder, **({"image_area": "256"} if kind == "emu3" else {}))
    picture = ask("a dog")
    alone = drawn(family, [picture])["x"]
    found = {response.sample_id: response for response in family.generate([picture, looked])}
    image = np.asarray(Pillow.open(io.BytesIO(found["x"].output.read())))
    np.testing.assert_array_equal(image, alone)

    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    prompt = "<image> a cat"
    if processor.chat_template:
        content = [{"type": "image"}, {"type": "text", "text": "a cat"}]
        turn = {"role": "user", "content": content}
        prompt = processor.apply_chat_template([turn], add_generation_prompt=True)
    inputs = processor(text=prompt, images=[Pillow.open(tmp_path / "a.png")], return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=6, do_sample=False, guidance_scale=1.0)
    tokens = tokens[0, inputs["input_ids"].shape[1] :]
    expected = processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    assert expected
    assert found["words"].failure is None, found["words"].failure
    assert found["words"].output.text == expected
    assert Capability(frozenset({"text"}), "image") in family.capabilities
    assert any(can.covers(("image", "text"), "text") for can in family.capabilities)


@pytest.mark.parametrize("kind", ["janus", "emu3"])
def test_a_whole_run_draws_what_transformers_draws(kind, request, tmp_path):
    folder = request.getfixturevalue(f"{kind}_folder")
    direct, extra = {
        "janus": (direct_janus, {}),
        "emu3": (direct_emu3, {"image_area": "256"}),
    }[kind]
    judges = ("--judge", "clip=none", "--judge", "aesthetic=none")
    for asked, path in drawn_or_spoken(folder, "coco_t2i", tmp_path, *judges, **extra):
        np.testing.assert_array_equal(np.asarray(Pillow.open(path)), direct(folder, asked))

"""Text to image against direct calls of diffusers, on tiny pipelines of the real classes."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
Pillow = pytest.importorskip("PIL.Image")

from models.hf import tiny_images as tiny  # noqa: E402
from models.hf.asking import (  # noqa: E402
    drawn_or_spoken,
    failure,
    made_family,
    opened_family,
    outputs,
)

from mio_eval.errors import UsageError  # noqa: E402
from mio_eval.models.base import OutOfMemory  # noqa: E402
from mio_eval.models.hf.pictures import png_file  # noqa: E402
from mio_eval.models.hf.settings import request_seed  # noqa: E402
from mio_eval.models.hf.text_to_image import Diffusers  # noqa: E402
from mio_eval.types import Request, Text  # noqa: E402

SMALL = {"num_inference_steps": 2, "height": 16, "width": 16}
TASK = {**SMALL, "do_sample": True, "top_p": 0.7, "temperature": 1.0, "num_beams": 1}


make = partial(made_family, Diffusers)
open_family = partial(opened_family, Diffusers)


def ask(text: str, name: str = "x", seed: int = 0, **settings) -> Request:
    return Request(name, (Text(text),), "image", TASK | settings, seed, key=f"{text}/{seed}")


def drawn(family, requests) -> dict[str, np.ndarray]:
    found = {}
    for name, output in outputs(family, requests).items():
        image = Pillow.open(io.BytesIO(output.read()))
        assert (image.format, image.mode) == ("PNG", "RGB")
        found[name] = np.asarray(image).astype(int)
    return found


def direct(folder: Path, request: Request, **settings) -> np.ndarray:
    """Draw one request with diffusers alone."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(request_seed(request))
    image = pipeline(request.parts[0].text, generator=generator, **(SMALL | settings)).images[0]
    return np.asarray(image).astype(int)


@pytest.fixture(scope="module")
def sd_folder(tmp_path_factory):
    return tiny.write_stable_diffusion(tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def sd(sd_folder):
    return open_family(sd_folder)


@pytest.fixture(scope="module")
def sdxl_folder(tmp_path_factory):
    return tiny.write_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def flux_folder(tmp_path_factory):
    return tiny.write_flux(tmp_path_factory.mktemp("flux"))


@pytest.mark.parametrize(
    "settings", [{}, {"guidance_scale": 1.0}, {"negative_prompt": "a dog", "height": 24}]
)
def test_stable_diffusion_draws_what_diffusers_draws(sd, sd_folder, settings):
    request = ask("a cat", **settings)
    expected = direct(sd_folder, request, **settings)
    found = drawn(sd, [request])["x"]
    assert found.shape == (settings.get("height", 16), 16, 3)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["sdxl", "flux"])
def test_other_pipelines_draw_what_diffusers_draws(kind, request):
    folder = request.getfixturevalue(f"{kind}_folder")
    asked = ask("a cat", guidance_scale=3.0)
    expected = direct(folder, asked, guidance_scale=3.0)
    np.testing.assert_array_equal(drawn(open_family(folder), [asked])["x"], expected)


@pytest.mark.parametrize("kind", ["sd", "sdxl", "flux"])
def test_an_image_does_not_depend_on_its_batch(kind, request):
    family = open_family(request.getfixturevalue(f"{kind}_folder"))
    requests = [ask(text, text) for text in ("a cat", "a dog sits by the lake", "b")]
    requests.append(ask("a cat", "again", seed=1))
    alone = {name: image for one in requests for name, image in drawn(family, [one]).items()}
    assert np.abs(alone["a cat"] - alone["again"]).max() > 8  # another seed, another image
    for batch in (requests, requests[::-1], requests[1:3]):
        for name, image in drawn(family, batch).items():
            # The order of float sums may differ: at most one level of 255.
            assert np.abs(image - alone[name]).max() <= 1


def test_settings_of_the_user_win_over_the_tasks(sd_folder):
    family = open_family(sd_folder, num_inference_steps="1", guidance_scale="2.5")
    request = ask("a cat", guidance_scale=9.0)
    expected = direct(sd_folder, request, num_inference_steps=1, guidance_scale=2.5)
    np.testing.assert_array_equal(drawn(family, [request])["x"], expected)


def test_requests_of_different_settings_are_drawn_apart(sd):
    found = drawn(sd, [ask("a cat", "small"), ask("a cat", "wide", width=32), ask("b", "b")])
    assert {name: image.shape for name, image in found.items()} == {
        "small": (16, 16, 3),
        "wide": (16, 32, 3),
        "b": (16, 16, 3),
    }


def test_a_prompt_over_the_limit_fails_with_the_numbers_and_alone(sd, sdxl_folder):
    fits, long = "a" * 75, "a" * 76  # letters, and two marks: CLIP reads 77
    found = {r.sample_id: r for r in sd.generate([ask(fits, "fits"), ask(long, "long")])}
    assert found["fits"].output
    assert found["long"].failure.type == "ValueError"
    assert "78 tokens, the text encoder reads at most 77" in found["long"].failure.message
    assert "reads at most 77" in failure(open_family(sdxl_folder), ask(long)).message
    assert "78 tokens" in failure(sd, ask("a cat", negative_prompt=long)).message


def test_truncating_is_asked_for_and_recorded(sd_folder):
    family = open_family(sd_folder, long_prompts="truncate")
    request = ask("a" * 200)
    np.testing.assert_array_equal(drawn(family, [request])["x"], direct(sd_folder, request))
    assert family.identity()["long_prompts"] == "truncate"


def test_flux_fails_where_its_t5_would_cut(flux_folder):
    family = open_family(flux_folder)
    drawn(family, [ask("cat " * 100)])  # CLIP sees the beginning only, by design
    assert "600 tokens, the text encoder reads at most 512" in (
        failure(family, ask("cat " * 600)).message
    )
    short = open_family(flux_folder, max_sequence_length="64")
    assert "302 tokens, the text encoder reads at most 77" in (
        failure(short, ask("cat " * 100)).message
    )


def test_an_image_that_the_checker_blacks_out_is_a_failed_sample(tmp_path):
    folder = tiny.write_stable_diffusion(tmp_path / "sd", checker=-2.0)
    assert direct(folder, ask("a cat")).max() == 0
    family = open_family(folder)
    assert family.identity()["safety_checker"] == "on"
    found = failure(family, ask("a cat"))
    assert (found.stage, found.type) == ("generate", "SafetyChecker")
    off = open_family(folder, safety_checker="off")
    assert off.identity()["safety_checker"] == "off"
    assert drawn(off, [ask("a cat")])["x"].max() > 0


def test_a_checker_costs_no_neighbour(tmp_path, monkeypatch):
    folder = tiny.write_stable_diffusion(tmp_path / "sd", checker=2.0)
    family = open_family(folder)
    requests = [ask(text, text) for text in ("a", "b", "c")]
    expected = drawn(family, requests)

    def second(clip_input, images):
        return images, [False, True, False]

    monkeypatch.setattr(family._pipeline.safety_checker, "forward", second)
    found = {response.sample_id: response for response in family.generate(requests)}
    assert found["b"].failure.type == "SafetyChecker"
    for name in "ac":
        image = np.asarray(Pillow.open(io.BytesIO(found[name].output.read()))).astype(int)
        np.testing.assert_array_equal(image, expected[name])


def test_a_decoder_that_overflows_is_a_failed_sample(sd, monkeypatch):
    real = sd._pipeline.vae.decode

    def overflow(*arguments, **settings):
        (images,) = real(*arguments, **settings)
        images[1] = float("nan")
        return (images,)

    monkeypatch.setattr(sd._pipeline.vae, "decode", overflow)
    found = {r.sample_id: r for r in sd.generate([ask("a", "a"), ask("b", "b")])}
    assert found["a"].output
    assert "not finite" in found["b"].failure.message


def test_strange_pixels_fail():
    for pixels, message in (
        (np.full((2, 2, 3), np.nan), "not finite"),
        (np.zeros((0, 2, 3)), "expected pixels"),
        (np.zeros((2, 3)), "expected pixels"),
    ):
        with pytest.raises(ValueError, match=message):
            png_file(pixels)


def test_running_out_of_memory_comes_before_any_image(sd, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(sd._pipeline.unet, "forward", full)
    with pytest.raises(OutOfMemory):
        next(iter(sd.generate([ask("a", "a"), ask("b", "b")])))


def test_what_a_pipeline_does_not_take_is_refused(flux_folder, sd_folder, sd):
    with pytest.raises(UsageError, match=r"FluxPipeline\) takes no guidance_rescale"):
        open_family(flux_folder, guidance_rescale="0.5")
    assert "takes no true_cfg_scale" in failure(sd, ask("a cat", true_cfg_scale=2.0)).message
    assert "empty" in failure(sd, ask(" ")).message
    for extra, message in (
        ({"height": "tall"}, "expected a number"),
        ({"height": "0"}, "from 1 up"),
        ({"safety_checker": "maybe"}, "on or off"),
        ({"long_prompts": "cut"}, "fail or truncate"),
    ):
        with pytest.raises(UsageError, match=message):
            make(sd_folder, **extra)


def test_a_checkpoint_with_a_part_missing_is_refused(tmp_path):
    folder = tiny.write_stable_diffusion(tmp_path / "sd")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UsageError, match="cannot load"):
        open_family(folder)


def test_code_of_a_checkpoint_does_not_run_unasked(tmp_path):
    folder = tiny.write_stable_diffusion(tmp_path / "sd")
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["mine", "Evil"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(UsageError):
        open_family(folder)
    assert not (tmp_path / "ran").exists()


def test_what_changes_an_image_is_in_the_identity(sd_folder):
    extras = [{}, {"height": "24"}, {"negative_prompt": "a"}, {"long_prompts": "truncate"}]
    said = {json.dumps(make(sd_folder, **extra).identity(), sort_keys=True) for extra in extras}
    assert len(said) == 4


@pytest.mark.parametrize("kind", ["sdxl", "flux"])
def test_a_whole_run_draws_what_diffusers_draws(kind, request, tmp_path):
    folder = request.getfixturevalue(f"{kind}_folder")
    judges = ("--judge", "clip=none", "--judge", "aesthetic=none")
    size = {name: str(value) for name, value in SMALL.items()}
    for asked, path in drawn_or_spoken(folder, "coco_t2i", tmp_path, *judges, **size):
        np.testing.assert_array_equal(np.asarray(Pillow.open(path)), direct(folder, asked))

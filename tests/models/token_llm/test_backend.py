"""What `--model mio` and `--model anygpt` have in common, on complete, small checkpoints."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from models.token_llm.asking import SEED, WRITERS, ask, loaded
from models.token_llm.release import image_codes
from PIL import Image as Pillow

from mio_eval.errors import UsageError
from mio_eval.models import create_model
from mio_eval.models.anygpt import presets as anygpt_presets
from mio_eval.models.mio import presets as mio_presets
from mio_eval.models.token_llm import memory
from mio_eval.models.token_llm.backend import TokenLlm
from mio_eval.types import Image, Request, Text


@pytest.fixture(scope="module", params=WRITERS)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TokenLlm:
    name = request.param
    return loaded(name, WRITERS[name](tmp_path_factory.mktemp(name) / "m"))


def test_text_comes_out(backend: TokenLlm) -> None:
    output = ask(backend, "text", Text("Hello"))
    assert isinstance(output, Text)
    assert output.text.endswith("a small dog on red bed")


def test_an_image_comes_out_of_its_codes(backend: TokenLlm) -> None:
    output = ask(backend, "image", Text("Please draw."))
    assert isinstance(output, Image)
    painted = Pillow.open(io.BytesIO(output.read()))
    parts = backend._parts
    embedding = parts.images.embed(torch.tensor([image_codes()]))[0]
    theirs = parts.painter.paint(embedding, SEED, steps=2)
    assert (np.asarray(painted) == np.asarray(theirs)).all()


@pytest.mark.parametrize(
    ("name", "broken", "want", "reason"),
    [
        ("mio", "short image", "image", "the image has 31 tokens, expected 32"),
        ("mio", "short speech", "audio", "timbre2 11; expected four of equal length"),
        ("mio", "no end", "image", "no </image> after <image>: the output ended after"),
        ("mio", "no end", "audio", "no <spch> in the output"),
        ("anygpt", "short image", "image", "the image has 31 tokens, expected 32"),
        ("anygpt", "no end", "image", "no <eoim> after <soim>: the output ended after"),
        ("anygpt", "no end", "audio", "no <sosp> in the output"),
    ],
)
def test_a_malformed_output_fails_its_sample_alone(
    tmp_path: Path, name: str, broken: str, want: str, reason: str
) -> None:
    folder = WRITERS[name](tmp_path / "m", broken=broken)
    backend = create_model(name, {"pretrained": str(folder)})
    backend.load((), want)
    requests = [
        Request(str(n), (Text(text),), want, {"max_new_tokens": 100}, 0, str(n))
        for n, text in enumerate(["one", "another", "a third one"])
    ]
    found = list(backend.generate(requests))
    assert sorted(response.sample_id for response in found) == ["0", "1", "2"]
    for response in found:
        assert response.output is None
        assert response.failure is not None
        assert response.failure.stage == "generate"
        assert reason in response.failure.message


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "model {} needs pretrained"),
        ({"pretrained": "x", "resize": "nearest"}, "resize of model {}"),
        ({"pretrained": "x", "colour": "red"}, "argument of model {}"),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message.format(name)):
        create_model(name, arguments)


def test_a_part_may_lie_in_the_home_folder(
    backend: TokenLlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    arguments = {"pretrained": str(backend._folder), "images": "~/seed"}
    made = create_model(backend.name, arguments)
    assert made._parts.placement.images == tmp_path / "seed"


def test_the_attention_is_of_the_identity(backend: TokenLlm) -> None:
    given = {"pretrained": str(backend._folder)}
    plain, eager = (
        create_model(backend.name, {**given, **more}).identity() for more in ({}, {"attn": "eager"})
    )
    assert "attn" not in plain.extra
    assert eager.extra["attn"] == "eager"


def test_what_is_chosen_for_a_part_elsewhere_stays_in_the_identity(backend: TokenLlm) -> None:
    release = backend._folder
    painter = backend._place(release)["painter"]
    given = {"pretrained": str(release), "painter": str(painter)}
    few, many = (
        create_model(backend.name, {**given, "steps": steps}).identity() for steps in ("2", "3")
    )
    assert few.extra["painter"]["steps"] == 2
    assert few != many
    assert few.extra["parts"]["painter"]


@pytest.mark.parametrize(("name", "token"), [("mio", "<spch>"), ("anygpt", "<sosp>")])
def test_a_tokenizer_without_media_tokens_is_refused(tmp_path: Path, name: str, token: str) -> None:
    folder = WRITERS[name](tmp_path / "m")
    inner = json.loads((folder / "tokenizer.json").read_text())
    inner["added_tokens"] = [t for t in inner["added_tokens"] if t["content"] != token]
    (folder / "tokenizer.json").write_text(json.dumps(inner))
    with pytest.raises(UsageError, match=f"the tokenizer has no {token}"):
        create_model(name, {"pretrained": str(folder)}).load((), "text")


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("mio", "image", "model mio needs .* unCLIP .* dtype=float16"),
        ("anygpt", "audio", "model anygpt needs .* SoundStorm"),
    ],
)
def test_what_does_not_fit_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, output: str, message: str
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda device: 1e5)
    folder = WRITERS[name](tmp_path / "m")
    backend = create_model(name, {"pretrained": str(folder), "device": "cpu"})
    with pytest.raises(UsageError, match=message):
        backend.load((), output)


@pytest.mark.parametrize("presets", [mio_presets, anygpt_presets], ids=WRITERS)
def test_decoding_presets_replace_the_tasks_settings(presets: ModuleType) -> None:
    task = {"num_beams": 5, "max_new_tokens": 16, "temperature": 0.3}
    assert presets.settings("task", "text", task) == task
    assert presets.settings("paper", "text", {})["num_beams"] == 5
    assert presets.settings("paper", "image", task) == {
        "max_new_tokens": 16,
        "num_beams": 1,
        "do_sample": True,
        "top_p": 0.7,
        "temperature": 1.0,
        "repetition_penalty": 1.0,
    }

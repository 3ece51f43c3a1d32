"""A batch says what its prompts say alone, and parts keep their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from models.hf import tiny  # noqa: E402

from mio_eval.models import create_model  # noqa: E402
from mio_eval.shipped import sample_data  # noqa: E402
from mio_eval.types import Audio, Image, Request, Text  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _requests(name: str) -> list[Request]:
    questions = ["\nDescribe it.", "\nWhat is this, in a few more words than before?", "\nHm"]
    settings = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}
    if name in ("llama", "qwen2"):
        return [Request(str(i), (Text(q),), "text", settings) for i, q in enumerate(questions)]
    kind, pattern = (Audio, "**/*.flac") if name == "qwen2_audio" else (Image, "coco/val2014/*.jpg")
    files = sorted(sample_data().glob(pattern))
    return [
        Request(str(i), (kind(path), Text(q)), "text", settings)
        for i, (path, q) in enumerate(zip(files, questions, strict=False))
    ]


@pytest.mark.parametrize("name", sorted(tiny.BUILDERS))
def test_batch_and_single_say_the_same(name: str, checkpoint: Callable[[str], Path]) -> None:
    backend = create_model("hf", {"pretrained": str(checkpoint(name)), "device": "cpu"})
    backend.load((), "text")
    requests = _requests(name)
    prepared = [
        Request(r.sample_id, r.parts, r.want, r.settings, prepared=backend.prepare(r))
        for r in requests
    ]
    together = {r.sample_id: r for r in backend.generate(prepared)}
    for request in requests:
        (alone,) = backend.generate([request])
        assert alone.failure is None
        assert together[request.sample_id].output == alone.output
    assert len({r.output.text for r in together.values()}) > 1  # it sees what it is shown


def test_parts_keep_their_order(checkpoint: Callable[[str], Path]) -> None:
    backend = create_model("hf", {"pretrained": str(checkpoint("qwen2_5_omni")), "device": "cpu"})
    backend.load((), "text")
    image = Image(sorted(sample_data().glob("coco/val2014/*.jpg"))[0])
    sound = Audio(sorted(sample_data().glob("**/*.flac"))[0])
    parts = (Text("First "), sound, Text(" then "), image, Text("\nWhy?"))
    prompt = backend.prepare(Request("a", parts, "text"))
    assert prompt.text == (
        "user: First<|audio_bos|><|AUDIO|><|audio_eos|>then"
        "<|vision_bos|><|IMAGE|><|vision_eos|>Why?\nassistant:"
    )


def test_json_of_identity(checkpoint: Callable[[str], Path]) -> None:
    backend = create_model("hf", {"pretrained": str(checkpoint("llava_chat")), "device": "cpu"})
    identity = json.loads(json.dumps(backend.identity().to_json()))
    assert identity["name"] == "llava_chat"
    assert identity["revision"].startswith("sha256:")
    assert identity["dtype"] == "float32"
    assert identity["extra"]["kind"] == "vlm"
    assert identity["extra"]["architecture"] == "LlavaForConditionalGeneration"

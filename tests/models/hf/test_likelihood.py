"""Log-likelihoods: equal to lm-eval's own model on text, to a plain forward pass after images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from engine.loglikelihood_models import write_llama  # noqa: E402
from models.hf import direct, tiny  # noqa: E402
from models.hf.asking import ASKED, answers  # noqa: E402
from models.hf.tiny_llava import paligemma  # noqa: E402
from PIL import Image as Pillow  # noqa: E402

from mio_eval.media.frames import parse_policy  # noqa: E402
from mio_eval.media.video import load_frames  # noqa: E402
from mio_eval.models import create_model  # noqa: E402
from mio_eval.models.base import Backend, OutOfMemory  # noqa: E402
from mio_eval.models.hf.likelihood import Scorer  # noqa: E402
from mio_eval.models.loglikelihood import (  # noqa: E402
    LoglikelihoodRequest,
    SupportsLoglikelihood,
    loglikelihood_inputs,
)
from mio_eval.shipped import sample_data  # noqa: E402
from mio_eval.types import Image, Request, Text, Video  # noqa: E402


def questions() -> list[dict[str, Any]]:
    lines = (sample_data() / "mmlu" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    texts = [line["question"] for line in questions()]
    return write_llama(tmp_path_factory.mktemp("llama"), texts)


def opened(folder: Path, **arguments: str) -> Any:
    backend = create_model("hf", {"pretrained": str(folder), "device": "cpu", **arguments})
    backend.load(("text",), "text")
    return backend


def items() -> list[tuple[str, str]]:
    """All MMLU items, four options each, and the rule's corners."""
    asked = []
    for line in questions():
        options = "\n".join(
            f"{letter}. {c}" for letter, c in zip("ABCD", line["choices"], strict=True)
        )
        prompt = f"{line['question']}\n{options}\nAnswer:"
        asked += [(prompt, f" {letter}") for letter in "ABCD"]
    return [
        *asked,
        ("Ends with spaces   ", "and goes on"),
        ("Ends with a line\n", "next one, which is longer"),
        ("", "no context at all"),
        ("<s>begins like a text", " of its own"),
        ("half a wo", "rd"),
    ]


def test_equals_lm_evals_own_model(llama: Path) -> None:
    pytest.importorskip("accelerate")  # lm-eval's model needs it
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    theirs = huggingface.HFLM(pretrained=str(llama), device="cpu", dtype="float32", batch_size=8)
    asked = items()
    instances = [SimpleNamespace(args=pair) for pair in asked]
    want = theirs.loglikelihood(instances, disable_tqdm=True)
    found = list(opened(llama).loglikelihood([LoglikelihoodRequest(*pair) for pair in asked]))
    assert [r.failure for r in found] == [None] * len(asked)
    assert [r.logprob for r in found] == pytest.approx([logprob for logprob, _ in want], abs=1e-4)
    assert [r.greedy for r in found] == [greedy for _, greedy in want]
    for pair, response in zip(asked, found, strict=True):
        tokens = theirs._encode_pair(*pair)[1] if pair[0] else theirs.tok_encode(pair[1])
        assert response.tokens == len(tokens)


def test_memory_that_runs_out_halves_the_rows(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened(llama)
    asked = [LoglikelihoodRequest(context, text) for context, text in items()[:16]]
    want = list(backend.loglikelihood(asked))
    sizes = []
    whole = Scorer._forward_plain

    def small(self: Any, batch: Any, *rest: Any) -> None:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        whole(self, batch, *rest)

    monkeypatch.setattr(Scorer, "_forward_plain", small)
    found = list(backend.loglikelihood(asked))
    assert [r.logprob for r in found] == pytest.approx([r.logprob for r in want], abs=1e-4)
    assert sizes == [4, 2, 1, 1, 1, 1]  # four options share a row

    def never(self: Any, *rest: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Scorer, "_forward_plain", never)
    with pytest.raises(OutOfMemory):
        list(backend.loglikelihood(asked))


def test_too_long_is_a_failure_with_the_numbers(llama: Path) -> None:
    long, short = list(
        opened(llama).loglikelihood(
            [LoglikelihoodRequest("z?" * 2100, " A"), LoglikelihoodRequest("Q", " A")]
        )
    )
    assert long.failure is not None
    assert "4096" in long.failure.message
    assert "nothing was cut" in long.failure.message
    assert short.failure is None


@pytest.mark.parametrize(
    "name", ["llava", "llava_chat", "qwen2_5_vl", "blip2", "idefics2", "qwen2_5_omni"]
)
def test_after_an_image_equals_a_plain_forward_pass(
    name: str, checkpoint: Callable[[str], Path]
) -> None:
    folder = checkpoint(name)
    backend = opened(folder)
    assert loglikelihood_inputs(backend) >= {"text", "image"}
    model, processor = direct.load(folder)
    model = getattr(model, "thinker", model)
    tokenizer = processor.tokenizer
    files = sorted(sample_data().glob("coco/val2014/*.jpg"))[:2]
    asked, want = [], []
    for number, path in enumerate(files):
        question = ["What is it?", "And what is this one, if one may ask?"][number]
        for option in (" a dog", " cat"):
            parts = (Image(path), Text(f"\n{question}"))
            asked.append(LoglikelihoodRequest("", option, parts))
            image = Pillow.open(path).convert("RGB")
            if name in ("llava", "blip2"):
                mark = "<image>\n" if name == "llava" else ""
                prompt = f"{mark}{question}"
                inputs = processor(images=image, text=prompt + option, return_tensors="pt")
            else:
                message = [{"type": "image"}, {"type": "text", "text": question}]
                prompt = processor.apply_chat_template(
                    [{"role": "user", "content": message}], add_generation_prompt=True
                )
                inputs = processor(images=[image], text=[prompt + option], return_tensors="pt")
            scored = len(tokenizer.encode(option, add_special_tokens=False))  # a token a byte
            with torch.no_grad():
                logits = model(**inputs).logits[0].log_softmax(-1)
            ids = inputs["input_ids"][0].tolist()
            places = range(len(ids) - scored, len(ids))
            want.append(sum(float(logits[at - 1, ids[at]]) for at in places))
    found = list(backend.loglikelihood(asked))
    assert [r.failure for r in found] == [None] * 4
    assert [r.logprob for r in found] == pytest.approx(want, abs=1e-4)
    assert [r.tokens for r in found] == [6, 4, 6, 4]
    assert abs(want[0] - want[2]) > 1e-2  # the image matters
    prepared = [replace(r, prepared=backend.prepare(Request("x", r.parts, "text"))) for r in asked]
    assert [r.logprob for r in backend.loglikelihood(prepared)] == pytest.approx(want, abs=1e-4)


def test_a_processor_that_goes_on_after_the_continuation_is_no_scorer(tmp_path: Path) -> None:
    """PaliGemma's puts a line break after every prompt: the scored tokens would be off by one."""
    path = sorted(sample_data().glob("coco/val2014/*.jpg"))[0]
    parts = (Image(path), Text("What is it?"))
    backend = opened(paligemma(tmp_path / "paligemma"))
    (response,) = backend.loglikelihood([LoglikelihoodRequest("", " a dog", parts)])
    assert response.failure is not None
    assert "does not leave the prompt's end" in response.failure.message


def test_a_tokenizer_that_ends_every_text_changes_nothing(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """An end between context and continuation, or after a prompt, is not what is asked."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    whole = checkpoint("llama")
    ending = Path(shutil.copytree(whole, tmp_path / "ending"))
    tokenizer = AutoTokenizer.from_pretrained(whole)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.save_pretrained(ending)
    assert AutoTokenizer.from_pretrained(ending)("Hm").input_ids[-1] == 1
    asked = [LoglikelihoodRequest(c, " a cat") for c in ("What is it?", "", "It ends.</s>")]
    found = [list(opened(folder).loglikelihood(asked)) for folder in (whole, ending)]
    assert found[0] == found[1]
    assert answers(opened(ending)) == answers(opened(whole))


def test_a_chat_template_that_is_asked_for_is_put_around_the_context(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """Else the run would record a template and a system prompt that the scores know nothing of."""
    from transformers import AutoTokenizer

    folder = Path(shutil.copytree(checkpoint("llama"), tmp_path / "chat"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = tiny.CHAT
    tokenizer.save_pretrained(folder)

    def score(context: str, **arguments: str) -> float:
        (response,) = opened(folder, **arguments).loglikelihood(
            [LoglikelihoodRequest(context, " yes")]
        )
        return float(response.logprob)

    turn = "user: Is it?\nassistant:"
    assert score("Is it?", chat_template="on") == pytest.approx(score(turn), abs=1e-5)
    told = score("Is it?", chat_template="on", system_prompt="Be brief.")
    assert told == pytest.approx(score(f"system: Be brief.\n{turn}"), abs=1e-5)
    assert abs(score("Is it?") - score(turn)) > 1e-3
    folder = checkpoint("llava_chat")
    assert score("Is it?", chat_template="on") == pytest.approx(score(turn), abs=1e-5)


def test_a_text_that_begins_with_bos_leaves_the_others_theirs(
    checkpoint: Callable[[str], Path],
) -> None:
    backend = opened(checkpoint("llama"))
    asked = [replace(one, parts=(Text(t),)) for one, t in zip(ASKED, ("<s>Hm", "Hm"), strict=True)]
    together = answers(backend, asked)
    assert together == [answers(backend, [one])[0] for one in asked]
    assert together[0] == together[1]


def test_after_a_video_the_frames_are_those_of_the_tasks_policy(
    checkpoint: Callable[[str], Path],
) -> None:
    """The engine prepares requests with the task's settings; what it prepared counts."""
    folder = checkpoint("qwen2_5_vl")
    backend = opened(folder)
    video = Video(sorted(sample_data().glob("msvd_qa/video/*"))[0])
    parts = (video, Text("\nWhat is done?"))
    model, processor = direct.load(folder)
    content = [{"type": "video"}, {"type": "text", "text": "What is done?"}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    found, want = [], []
    for policy in ("uniform:2", "uniform:4"):
        prepared = backend.prepare(Request("x", parts, "text", {"frames": policy}))
        (response,) = backend.loglikelihood(
            [LoglikelihoodRequest("", " yes", parts, prepared=prepared)]
        )
        found.append(response.logprob)
        frames = load_frames(video, parse_policy(policy))
        inputs = processor(
            text=[prompt + " yes"],
            videos=[frames.images],
            video_metadata=[
                {
                    "total_num_frames": frames.total,
                    "fps": frames.fps,
                    "frames_indices": frames.indices,
                    "duration": frames.total / frames.fps,
                }
            ],
            do_sample_frames=False,
            return_tensors="pt",
        )
        with torch.no_grad():
            logits = model(**inputs).logits[0].log_softmax(-1)
        ids = inputs["input_ids"][0].tolist()
        want.append(sum(float(logits[at - 1, ids[at]]) for at in range(len(ids) - 4, len(ids))))
    assert found == pytest.approx(want, abs=1e-4)
    assert abs(want[0] - want[1]) > 1e-3


def test_a_backend_that_cannot_score_has_no_such_method(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(opened(llama), SupportsLoglikelihood)
    folder = tiny.llava(tmp_path / "llava")
    data = json.loads((folder / "config.json").read_text())
    data["text_config"]["model_type"] = "t5"  # an encoder reads what is to be scored
    (folder / "config.json").write_text(json.dumps(data))
    backend: Backend = create_model("hf", {"pretrained": str(folder), "device": "cpu"})
    assert not isinstance(backend, SupportsLoglikelihood)


def test_one_broken_image_fails_alone(tmp_path: Path) -> None:
    backend = opened(tiny.llava(tmp_path / "llava"))
    good = Image(next(iter(sorted(sample_data().glob("coco/val2014/*.jpg")))))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 nothing")
    ask: Callable[[Image], LoglikelihoodRequest] = lambda image: LoglikelihoodRequest(  # noqa: E731
        "", " yes", (image, Text("\nIs it?"))
    )
    first, broken, last = backend.loglikelihood([ask(good), ask(Image(bad)), ask(good)])
    assert broken.failure is not None
    assert broken.failure.stage == "decode"
    assert first.logprob == pytest.approx(last.logprob, abs=1e-5)

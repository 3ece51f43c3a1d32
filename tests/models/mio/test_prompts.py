"""Prompts of every task of the paper, character by character (golden/mio/prompts.json)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models.token_llm.prompting import Tokenizers, parts_of

from mio_eval.models.hf.family import Checkpoint, LoadOptions
from mio_eval.models.hf.inputs import Piece
from mio_eval.models.mio.language import Decoded, MioLanguage, Wording
from mio_eval.models.mio.prompts import answer, chat
from mio_eval.tasks import get_task, get_tasks, render
from mio_eval.types import Request, Sample, Text, Video

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/mio/prompts.json").read_text("utf-8"))
IMAGE = "<image>" + "".join(f"<img{n}>" for n in range(32)) + "</image>"
SPEECH = "<spch><spch7><spch9></spch>"


def prompt_of(task_name: str, inputs: dict[str, str], wording: Wording) -> str:
    """Render a task's prompt as the backend would send it."""
    task = get_task(task_name)
    parts = parts_of(inputs)
    if "question" in inputs:
        parts["question_capitalized"] = Text(inputs["question"].capitalize())
    style = "mio-instruct" if wording.instruct else "mio-base"
    rendered = render(task.prompt(style), Sample("1", parts), "\n")
    pieces: list[Piece] = []
    for part in rendered:
        if isinstance(part, Text):
            pieces.append(Piece("text", part.text))
        elif isinstance(part, Video):
            pieces += [Piece("image", None), Piece("image", None)]
        else:
            pieces.append(Piece(part.modality, None))
    language = MioLanguage(Checkpoint("x", None, {}), LoadOptions(), Tokenizers(), wording)
    request = Request("1", rendered, task.file.output, prepared=Decoded(tuple(pieces), {}))
    return language.read(request).text


def filled(text: str) -> str:
    """Put the media's tokens where the golden file names them."""
    return (
        text.replace("{image}", IMAGE).replace("{audio}", SPEECH).replace("{video}", IMAGE + IMAGE)
    )


@pytest.mark.parametrize("name", GOLDEN["tasks"])
def test_the_instruct_prompt_is_the_papers(name: str) -> None:
    entry = GOLDEN["tasks"][name]
    system = GOLDEN["systems"][entry.get("system", "std")]
    expected = GOLDEN["instruct"].replace("{system}", system)
    expected = expected.replace("{query}", filled(entry["instruct"]))
    assert prompt_of(name, entry["inputs"], Wording(instruct=True)) == expected


@pytest.mark.parametrize("name", [n for n, e in GOLDEN["tasks"].items() if "base" in e])
def test_the_base_prompt_is_the_papers(name: str) -> None:
    entry = GOLDEN["tasks"][name]
    expected = filled(entry["base"])
    assert prompt_of(name, entry["inputs"], Wording(instruct=False)) == expected


def test_no_task_of_the_paper_is_left_out() -> None:
    named = GOLDEN["tasks"].keys() | GOLDEN["elsewhere"].keys()
    assert named == {task.name for task in get_tasks(["mio"])}
    assert all(
        entry["cites"].keys() == entry.keys() & {"instruct", "base"}
        for entry in GOLDEN["tasks"].values()
    )
    mmlu = get_task("mmlu").prompt("plain")
    assert mmlu.startswith("The following are multiple choice questions (with answers) about {su")


def test_limes_indentation_is_an_option() -> None:
    plain = chat("Hello", "Be kind")
    indented = chat("Hello", "Be kind", indented=True)
    assert indented == plain.replace("\n", "\n        ")
    assert indented.endswith("assistant\n        ")


def test_a_system_prompt_can_be_chosen_or_left_out() -> None:
    inputs = {"caption": "a cat"}
    none = prompt_of("coco_t2i", inputs, Wording(system="none"))
    assert none.startswith("<|startoftext|><|im_start|>user\n")
    voice = prompt_of("coco_t2i", inputs, Wording(system="voice"))
    assert GOLDEN["systems"]["voice"] in voice


def test_an_answer_ends_with_the_turn() -> None:
    assert answer(" a cat <|im_end|><unk><unk>") == "a cat"
    assert answer("two\nlines<|im_end|>\n<|im_start|>user") == "two\nlines"

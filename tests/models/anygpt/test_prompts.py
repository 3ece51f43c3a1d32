"""Prompts and tokens, character by character, as AnyGPT's released code writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models.token_llm.prompting import Tokenizers, parts_of
from reference.anygpt_prompts import CAPTIONS, CODES, MUSIC, QUESTION

from mio_eval.models.anygpt.language import AnyGptLanguage, Heard
from mio_eval.models.anygpt.prompts import answer
from mio_eval.models.anygpt.tokens import IMAGE as IMAGES
from mio_eval.models.anygpt.tokens import SPEECH as SOUNDS
from mio_eval.models.anygpt.tokens import music_text
from mio_eval.models.hf.family import Checkpoint, LoadOptions
from mio_eval.models.hf.inputs import Piece
from mio_eval.tasks import get_task, render
from mio_eval.types import Request, Sample

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/anygpt/prompts.json").read_text("utf-8"))
IMAGE, SPEECH = IMAGES.write(range(32)), SOUNDS.write([7, 9])


def prompt_of(
    name: str, variant: str, *, style: str = "", instruction: str = "", **inputs: str
) -> str:
    """Render a task's prompt as the backend would send it."""
    task = get_task(name)
    template = task.prompt(style or task.style_for([f"anygpt-{variant}"]))
    rendered = render(template, Sample("1", parts_of(inputs)), "\n")
    pieces = [Piece(part.modality, getattr(part, "text", None)) for part in rendered]
    if task.file.output == "audio":
        pieces = [piece for piece in pieces if piece.kind != "audio"]
    language = AnyGptLanguage(
        Checkpoint("x", None, {}), LoadOptions(), Tokenizers(),
        chat=variant == "chat", instruction=instruction,
    )  # fmt: skip
    request = Request("1", rendered, task.file.output, prepared=Heard(tuple(pieces)))
    return language.read(request).text


def filled(text: str) -> str:
    return text.replace("IMAGE", IMAGE).replace("SPEECH", SPEECH)


BASE = {
    "image to text": ("coco_caption", {"image": "IMAGE"}),
    "speech to text": ("librispeech", {"audio": "SPEECH"}),
    "text to image": ("coco_t2i", {"caption": "a red bus"}),
    "text to speech": ("vctk_tts", {"text": "Hello there."}),
}


@pytest.mark.parametrize("direction", BASE)
def test_the_base_prompt_is_the_releases(direction: str) -> None:
    name, inputs = BASE[direction]
    assert prompt_of(name, "base", **inputs) == filled(GOLDEN["base"][direction])


def test_the_voice_leaves_the_base_prompt_as_it_is() -> None:
    prompt = prompt_of("vctk_tts_voice", "base", audio="SPEECH", text="Hello there.")
    assert prompt == GOLDEN["base"]["text to speech"]


def test_other_words_have_the_releases_form_for_them() -> None:
    prompt = prompt_of("vqav2", "base", style="mio-base", image="IMAGE", question="Why?")
    form = filled(GOLDEN["base"]["own words"]).replace(QUESTION, "Question: Why? Answer:")
    assert prompt == form


def test_an_instruction_can_be_chosen() -> None:
    first = prompt_of("coco_caption", "base", image="IMAGE")
    other = prompt_of("coco_caption", "base", image="IMAGE", instruction="Look!")
    assert other == first.replace("Describe the scene in this picture.", "Look!")
    assert other != first


def test_the_chat_prompt_is_the_releases() -> None:
    caption = prompt_of("coco_caption", "chat", image="IMAGE")
    assert caption == filled(GOLDEN["chat"]["caption"])
    question = prompt_of("vqav2", "chat", image="IMAGE", question=QUESTION)
    assert question == filled(GOLDEN["chat"]["question"])
    own = prompt_of("vqav2", "chat", style="plain", image="IMAGE", question="Why?")
    said = f"{IMAGE}\nWhy?\nAnswer with a single word or phrase."
    assert own == filled(GOLDEN["chat"]["own words"]).replace(f"{IMAGE} Why?", said)


@pytest.mark.parametrize("caption", CAPTIONS)
def test_a_caption_gets_the_full_stop_it_lacks(caption: str) -> None:
    prompt = prompt_of("coco_t2i", "chat", caption=caption)
    assert prompt == GOLDEN["chat"]["text to image"][caption]


@pytest.mark.parametrize(
    ("name", "task_prompt", "inputs"),
    [
        ("librispeech", "Speech-to-Text", {"audio": "SPEECH"}),
        ("vctk_tts", "Text-to-Speech", {"text": "Hello there."}),
        ("globe_tts", "Text-to-Speech", {"text": "Hello there."}),
        ("librispeech_tts", "Text-to-Speech", {"text": "Hello there."}),
        ("vctk_tts_voice", "Text-to-Speech", {"audio": "SPEECH", "text": "Hello there."}),
    ],
)
def test_the_chat_words_are_the_releases_task_prompts(
    name: str, task_prompt: str, inputs: dict[str, str]
) -> None:
    words = GOLDEN["task_prompts"][task_prompt]
    words = words.format(speech=SPEECH, caption="Hello there.")
    empty = filled(GOLDEN["chat"]["own words"]).replace(f"{IMAGE} Why?", words)
    assert prompt_of(name, "chat", **inputs) == empty


def test_tokens_are_written_as_the_release_writes_them() -> None:
    assert IMAGES.write([*CODES, 8191]) == GOLDEN["tokens"]["image"]
    assert SOUNDS.write(CODES) == GOLDEN["tokens"]["speech"]
    assert music_text(MUSIC) == GOLDEN["tokens"]["music"]


def test_an_answer_ends_at_the_first_end_marker() -> None:
    assert answer(" a cat <eos> more") == "a cat"
    assert answer("two\nlines<eom><eos>") == "two\nlines"
    assert answer(" a cat ") == "a cat"

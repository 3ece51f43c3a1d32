"""Where media stand in a prompt: as written, before all text, or after it."""

from __future__ import annotations

import pytest

from mio_eval.engine.options import Options, check_options
from mio_eval.errors import UsageError
from mio_eval.tasks import all_tasks, get_task, move_media, render
from mio_eval.tasks.prompts import place_media
from mio_eval.types import Audio, Image, Sample, Text

MEDIA = ("image", "audio", "video")
TEXTS = ("question", "question_capitalized", "options", "text", "caption", "subject")


@pytest.mark.parametrize(
    ("template", "first", "last"),
    [
        ("{image}\n{q}\nAnswer.", "{image}¦{q}\nAnswer.", "{q}\nAnswer.¦{image}"),
        ("Say it.¦{audio}", "{audio}¦Say it.", "Say it.¦{audio}"),
        ("{image}¦{q}", "{image}¦{q}", "{q}¦{image}"),
        ("{image} {audio} {q}", "{image}¦{audio}¦{q}", "{q}¦{image}¦{audio}"),
        ("Look.¦{video}¦{q}?", "{video}¦Look.¦{q}?", "Look.¦{q}?¦{video}"),
        ("{q} {{x}}\n\n{image}", "{image}¦{q} {{x}}", "{q} {{x}}¦{image}"),
        ("{image}", "{image}", "{image}"),
        ("  {text} as it is ", "  {text} as it is ", "  {text} as it is "),
    ],
)
def test_place_media(template, first, last):
    """A broken bar stands for {separator}."""
    template, first, last = (t.replace("¦", "{separator}") for t in (template, first, last))
    assert place_media(template, MEDIA, "first") == first
    assert place_media(template, MEDIA, "last") == last


def sample_of(task):
    inputs = {name: Text(name) for name in (*TEXTS, *(f"choice_{c}" for c in "abcd"))}
    inputs |= {"image": Image(load=bytes, name="i"), "audio": Audio(load=bytes, name="a")}
    inputs |= {"video": Image(load=bytes, name="v")}
    return Sample("1", {k: v for k, v in inputs.items() if k not in MEDIA or k in task.file.inputs})


@pytest.mark.parametrize("position", ["first", "last"])
def test_every_shipped_prompt_can_be_turned(position):
    for task in all_tasks():
        moved = move_media(task, position)
        assert moved.sha256 == task.sha256
        for style in task.file.prompts:
            parts = render(moved.prompt(style), sample_of(task), "|")
            media = [part for part in parts if not isinstance(part, Text)]
            if not media:
                assert moved.prompt(style) == task.prompt(style)
                continue
            at = parts[0] if position == "first" else parts[-1]
            assert at in media
            before = render(task.prompt(style), sample_of(task), "|")
            assert letters(parts) == letters(before), "no word is lost"


def letters(parts):
    text = "".join(part.text for part in parts if isinstance(part, Text))
    return sorted(text.replace("|", "").replace(" ", "").replace("\n", ""))


def test_as_written_changes_nothing():
    task = get_task("coco_caption")
    assert move_media(task, "as-written") is task


def test_the_option():
    check_options(Options(("coco_caption",), media_position="last"))
    with pytest.raises(UsageError, match=r"unknown --media-position 'top'"):
        check_options(Options(("coco_caption",), media_position="top"))
    plain, moved = Options(("x",)), Options(("x",), media_position="first")
    assert plain.identity() != moved.identity()
    assert "media_position" not in plain.identity()

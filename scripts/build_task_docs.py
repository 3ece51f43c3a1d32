"""Writes docs/tasks/*.md, a page a family of tasks, from tasks/*.yaml and results/published/.

Usage: python scripts/build_task_docs.py

The pages hold nothing that the task files do not; only the introductions below are written by hand.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from mio_eval.report.published import published_table
from mio_eval.tasks import Task, get_task
from mio_eval.tasks.schema import Published
from mio_eval.types import MEDIA_TYPES

TARGET = Path(__file__).parents[1] / "docs" / "tasks"
NOTICE = "<!-- Written by scripts/build_task_docs.py from tasks/*.yaml; change those. -->"
METRIC_PAGES = {
    "captions": ("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "meteor", "spice"),
    "wer": ("wer", "wer_utt_mean", "cer"),
    "speech_out": ("speaker_sim",),
    "vqa": ("vqa_acc", "vqa_exact", "unanswerable_f1", "unanswerable_ap"),
    "choice": ("choice_acc",),
    "text": ("acc",),
    "image": (
        *("clip_i", "clip_t", "clipscore", "image_sim", "ssim", "aesthetic"),
        *("fid", "kid", "fid_effnet", "kid_effnet"),
    ),
}
PAGE_OF = {metric: page for page, metrics in METRIC_PAGES.items() for metric in metrics}


@dataclass(frozen=True, slots=True)
class Family:
    """A page: its name, title, tasks and introduction."""

    name: str
    title: str
    tasks: tuple[str, ...]
    about: str


FAMILIES = (
    Family(
        "captioning",
        "Captioning",
        ("coco_caption",),
        "A model describes an image in a sentence; people's captions are the references.",
    ),
    Family(
        "visual_questions",
        "Visual questions",
        ("vqav2", "okvqa", "vizwiz"),
        "A model answers a question about an image in a word or a phrase, which is compared with "
        "the answers of ten people.",
    ),
    Family(
        "multiple_choice",
        "Multiple choice",
        ("seed_bench", "omnibench"),
        "A model picks one of four options. Either it writes an answer, from which a named rule "
        "reads the letter, or (`--set choice_acc.rule=loglik-mean`, `loglik-sum`) it is asked how "
        "likely each option's text is after the prompt, and the likeliest counts.",
    ),
    Family(
        "video_questions",
        "Video questions",
        ("msvd_qa", "msrvtt_qa"),
        "A model answers a question about a short video in one word. Which frames it sees is a "
        "setting of the task (see [frames](../media.md)).",
    ),
    Family(
        "speech_recognition",
        "Speech recognition",
        ("librispeech",),
        "A model writes down what is said.",
    ),
    Family(
        "text_to_speech",
        "Text to speech",
        ("vctk_tts", "vctk_tts_voice", "librispeech_tts", "globe_tts"),
        "A model reads a text aloud. A judge writes down what it hears, and another one compares "
        "voices.",
    ),
    Family(
        "text_to_image",
        "Text to image",
        ("coco_t2i", "flickr30k_t2i"),
        "A model draws what a caption says; the drawing is compared with the caption's photograph.",
    ),
    Family(
        "text",
        "Text",
        ("mmlu",),
        "Questions on text alone run through lm-eval (see [text](../metrics/text.md)).",
    ),
)


def page(family: Family) -> str:
    """Write a family's page."""
    parts = [NOTICE, f"# {family.title}", family.about]
    parts += [section(get_task(name)) for name in family.tasks]
    return "\n\n".join(parts) + "\n"


def section(task: Task) -> str:
    """Write what a page says of a task."""
    file, data = task.file, task.file.dataset
    facts = [
        ("asked", f"{' + '.join(file.inputs)} → {file.output}"),
        ("task version", str(file.version)),
        ("intervals resample by", file.cluster),
        ("homepage", f"<{data.homepage}>"),
        ("licence", data.licence),
        ("get it", data.get),
        ("on the hub", f"`{data.hub.id}` at `{data.hub.revision}`" if data.hub else "–"),
    ]
    if file.frames:
        facts.append(("frames", f"`{file.frames}`"))
    blocks = [
        f"## {file.name}",
        f"{file.title}. Run it with `mio-eval run --tasks {file.name}`.",
        table(("", ""), facts),
        "### Data",
        table(("split", "samples", ""), [split_row(task, name) for name in data.splits]),
        f"In the folder of data sets (`--data-dir`):\n\n{fenced(data.layout)}",
        "### Prompts",
        *prompts(task),
        "Generation: " + (settings(file.generation) or "–") + ".",
        "### Metrics",
        table(("metric", "options", ""), [metric_row(task, name) for name in file.metrics]),
    ]
    if file.judges:
        judges = ", ".join(f"{role}: `{model}`" for role, model in file.judges.items())
        blocks.append(f"Judges of the protocol: {judges}.")
    blocks += ["### Protocol", f"{file.protocol.source}."]
    blocks.append("\n".join(f"- {note}" for note in file.protocol.notes))
    for spec in file.published:
        blocks += published(spec)
    return "\n\n".join(filter(None, blocks))


def split_row(task: Task, name: str) -> tuple[str, str, str]:
    """Describe a split."""
    data = task.file.dataset
    split = data.splits[name]
    remarks = ["the default" if name == data.default_split else f"`{task.file.name}:{name}`"]
    if not split.scored:
        remarks.append("answers are not public: the run writes a file for the evaluation server")
    if data.hub and name in data.hub.files:
        remarks.append("on the hub")
    return f"`{name}`", str(split.expected or "not stated"), "; ".join(remarks)


def prompts(task: Task) -> list[str]:
    """Show every style, media and separators as fields, and how options are scored."""
    file = task.file
    rows = [(f"`{style}`", code(text)) for style, text in file.prompts.items()]
    blocks = [table(("style", "template"), rows)]
    if set(file.inputs) & set(MEDIA_TYPES):
        blocks.append(
            "`{separator}` is a line break unless `--separator` says otherwise; `--media-position "
            "first` or `last` moves the media before or after all text. Both are recorded."
        )
    if file.likelihood:
        rows = [(f"`{style}`", code(text)) for style, text in file.likelihood.prompts.items()]
        blocks.append(
            "Where options are scored by likelihood, each follows as "
            f"{code(file.likelihood.continuation)} after:"
        )
        blocks.append(table(("style", "template"), rows))
    return blocks


def metric_row(task: Task, name: str) -> tuple[str, str, str]:
    """Describe a metric of a task, with a link to its page."""
    file = task.file
    shown = f"[`{name}`](../metrics/{PAGE_OF[name]}.md)" if name in PAGE_OF else f"`{name}`"
    remarks = ["primary"] if name == file.primary else []
    if name in file.substitutes:
        remarks.append(f"`{file.substitutes[name]}` stands in where its judge is left out")
    return shown, settings(file.metric_options.get(name, {})), "; ".join(remarks)


def published(spec: Published) -> list[str]:
    """Show the published rows that stand beside the task's scores."""
    found = published_table(spec)
    columns = ("model", *found.columns, "split, as published")
    rows = [(row.model, *row.values, row.split) for row in found.rows]
    remarks = [f"- {row.model}: {row.remark}" for row in found.rows if row.remark]
    comparable = f"A run on split `{spec.comparable_split}` stands beside these"
    blocks = [f"### Published: {found.source}", f"{comparable}.", table(columns, rows)]
    return [*blocks, "\n".join(remarks)] if remarks else blocks


def settings(values: dict[str, object]) -> str:
    """Write settings as code."""
    return ", ".join(f"`{key}={json.dumps(value).strip(chr(34))}`" for key, value in values.items())


def code(text: str) -> str:
    """Write a template as code in a table cell: line breaks as \\n, no bare bar."""
    shown = text.replace("\n", "\\n").replace("|", "\\|")
    longest = max(map(len, re.findall("`+", shown)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fenced(text: str) -> str:
    """Write a block of preformatted text."""
    return f"```text\n{text.rstrip()}\n```"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Write all pages."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        path = TARGET / f"{family.name}.md"
        path.write_text(page(family), encoding="utf-8")
        print(path.relative_to(TARGET.parents[1]))


if __name__ == "__main__":
    main()

"""The prompts asked of a model are the paper's, character for character."""

from __future__ import annotations

import pytest

from mio_eval.tasks import get_task, render
from mio_eval.types import Audio, Image, Sample, Text

IMAGE = Image(load=bytes, name="photo.jpg")
AUDIO = Audio(load=bytes, name="speech.flac")
PHOTO = Sample("1", {"image": IMAGE}, ("a cat",))
SPEECH = Sample("1", {"audio": AUDIO}, ("A CAT",))

# MIO, arXiv 2409.17692v4. Instruct: Table 12 (Appendix D), where line breaks cannot be told from
# spaces; the released inference script puts "\n" before the medium, our default separator.
# Base: the templates of Appendix B (speech: stage III), as the released script writes them.
GOLDEN = {
    ("coco_caption", "mio-instruct"): (
        "Provide a one-sentence caption for the provided image.\n",
        IMAGE,
    ),
    ("coco_caption", "mio-base"): (IMAGE, " The caption of this image is"),
    # lmms-eval, tags v0.1.0 to v0.2.3; the image stands first, as its models get it.
    ("coco_caption", "lmms-eval"): (
        IMAGE,
        "\nProvide a one-sentence caption for the provided image.",
    ),
    # AnyGPT's release: the Base model's instruction is the backend's; the spelling is its own.
    ("coco_caption", "anygpt-base"): (IMAGE,),
    ("coco_caption", "anygpt-chat"): (
        IMAGE,
        " Please provide an accurate and concisedescription of the given image.",
    ),
    ("coco_caption", "plain"): (IMAGE, "\nDescribe this image in one sentence."),
    ("librispeech", "mio-instruct"): ("Please transcribe this speech.\n", AUDIO),
    ("librispeech", "mio-base"): (AUDIO, " The transcription of this speech is"),
    ("librispeech", "anygpt-base"): (AUDIO,),
    ("librispeech", "anygpt-chat"): (AUDIO, " Please transcribe the given speech."),
    ("librispeech", "plain"): (AUDIO, "\nTranscribe this speech."),
}
# Table 12 as printed: a space before the image, nothing before the speech.
PRINTED = {
    "coco_caption": (" ", "Provide a one-sentence caption for the provided image. "),
    "librispeech": ("", "Please transcribe this speech."),
}


def plain(parts):
    return tuple(part.text if isinstance(part, Text) else part for part in parts)


def sample(task: str) -> Sample:
    return PHOTO if task == "coco_caption" else SPEECH


@pytest.mark.parametrize(("task", "style"), GOLDEN, ids="-".join)
def test_prompt(task, style):
    parts = render(get_task(task).prompt(style), sample(task))
    assert plain(parts) == GOLDEN[task, style]


def test_every_style_has_a_golden_string():
    styles = {(t, s) for t in ("coco_caption", "librispeech") for s in get_task(t).file.prompts}
    assert styles == set(GOLDEN)


@pytest.mark.parametrize("task", PRINTED)
def test_separator_gives_the_printed_form(task):
    separator, text = PRINTED[task]
    template = get_task(task).prompt("mio-instruct")
    medium = next(iter(sample(task).inputs.values()))
    assert plain(render(template, sample(task), separator)) == (text, medium)


@pytest.mark.parametrize("task", PRINTED)
def test_separator_leaves_other_styles_alone(task):
    for style in ("mio-base", "plain"):
        template = get_task(task).prompt(style)
        assert plain(render(template, sample(task), "?")) == GOLDEN[task, style]


@pytest.mark.parametrize(
    "hostile", ["{image}", "{{image}}", "{separator}", "{0}", "{image.__class__}", "{", "}", "%s"]
)
def test_text_of_a_sample_is_not_interpreted(hostile):
    given = Sample("1", {"image": IMAGE, "question": Text(hostile)})
    parts = render("{image} Q: {question}{separator}A:", given, "\n")
    assert plain(parts) == (IMAGE, f" Q: {hostile}\nA:")


def test_separator_is_not_interpreted():
    assert plain(render("a{separator}{image}", PHOTO, "{image}")) == ("a{image}", IMAGE)


def test_double_braces_are_braces():
    assert plain(render("{{x}} {image}", PHOTO)) == ("{x} ", IMAGE)


def test_neighbouring_text_is_one_part_and_nothing_is_empty():
    given = Sample("1", {"image": IMAGE, "question": Text("why"), "hint": Text("")})
    parts = render("{hint}{image}{hint}{question}?", given)
    assert plain(parts) == (IMAGE, "why?")


def test_missing_input_is_named():
    with pytest.raises(KeyError, match="question"):
        render("{question}", PHOTO)


def test_style_of_a_model():
    task = get_task("coco_caption")
    assert task.style_for(["mio-instruct", "mio-base"]) == "mio-instruct"
    assert task.style_for(["anygpt", "mio-base"]) == "mio-base"
    assert task.style_for(["anygpt"]) == "plain"
    assert task.style_for([]) == "plain"


def test_generation_settings_are_those_of_table_11():
    """Text output: beam size 5, no sampling, temperature 1.0, repetition penalty 1.0 (App. D)."""
    for name in ("coco_caption", "librispeech"):
        found = dict(get_task(name).file.generation)
        found.pop("max_new_tokens")  # not stated in the paper
        assert found == {
            "num_beams": 5,
            "do_sample": False,
            "temperature": 1.0,
            "repetition_penalty": 1.0,
        }


# lmms-eval's strings for questions on images (`\\n` between the lines), tags v0.1.0 to v0.2.3.
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'.\n"
SHORT = "Answer the question using a single word or phrase."
LMMS_EVAL = {
    "vqav2": f"What is it?\n{SHORT}",
    "okvqa": f"What is it?\n{UNANSWERABLE}{SHORT}",
    "vizwiz": f"What is it?\n{UNANSWERABLE}{SHORT}",
    "seed_bench": (
        "What is it?\nA. one\nB. two\nC. three\nD. four\n"
        "Answer with the option's letter from the given choices directly."
    ),
}


@pytest.mark.parametrize("style", ["lmms-eval", "mio-instruct"])
@pytest.mark.parametrize("task", LMMS_EVAL)
def test_lmms_evals_questions(task, style):
    """The paper points to LMMs-Eval for these, so both styles have its words."""
    words = {
        f"choice_{c}": Text(t) for c, t in zip("abcd", ("one", "two", "three", "four"), strict=True)
    }
    inputs = {"image": IMAGE, "question": Text("What is it?"), **words}
    inputs["question_capitalized"] = inputs["question"]
    parts = render(get_task(task).prompt(style), Sample("1", inputs))
    assert plain(parts) == (IMAGE, "\n" + LMMS_EVAL[task])


def test_likelihood_of_seed_bench():
    """SEED-Bench's own prompt, after the image; options follow one space later."""
    spec = get_task("seed_bench").file.likelihood
    parts = render(spec.prompts["plain"], Sample("1", {"image": IMAGE, "question": Text("Q?")}))
    assert plain(parts) == (IMAGE, "\nQuestion: Q?\nAnswer:")
    assert spec.continuation == " {choice}"

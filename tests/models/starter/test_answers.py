"""The starter's answers: what a prompt asks, and what the priors say."""

from __future__ import annotations

import time

import pytest

from mio_eval.models.starter.answers import (
    BEST,
    Prompt,
    Seen,
    answer,
    choose,
    look,
    read_prompt,
    words,
)
from mio_eval.models.starter.captioner import imagenet_labels
from mio_eval.models.starter.colours import NAMES, dominant, mean_colours, name

OWL = Seen(("great grey owl", "tabby cat"), "owl", 0.6, "red")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\nDescribe this image in one sentence.",
        "\nTranscribe this speech.",
        "Provide a one-sentence caption for the provided image.",
        "Can you describe this image?",
        "A. Smith wrote this line",
    ],
)
def test_some_prompts_ask_nothing(text):
    assert not read_prompt(text).asks


@pytest.mark.parametrize(
    ("text", "question", "may_decline"),
    [
        ("\nIs this a cat?\nAnswer with a single word or phrase.", "Is this a cat?", False),
        ("\nwhat is it\nAnswer with a word, or 'unanswerable'.", "what is it", True),
        (" Question: what is it Answer:", "what is it", False),
        ("Answer the question below.\nQuestion: Who is it? Answer:", "Who is it?", False),
        (
            "What is it?\nWhen the provided information is insufficient, respond with "
            "'Unanswerable'.\nAnswer the question using a single word or phrase.",
            "What is it?",
            True,
        ),
        ("Is this\nred?", "Is this red?", False),
        ("A. Smith is who?\nAnswer with a word.", "A. Smith is who?", False),
    ],
)
def test_questions_are_found(text, question, may_decline):
    assert read_prompt(text) == Prompt(question, (), may_decline)


@pytest.mark.parametrize("form", ["{}. {}", "({}) {}", "{}: {}", "  {}) {}  "])
def test_options_are_found(form):
    lines = [form.format(letter, text) for letter, text in zip("ABC", "xyz", strict=True)]
    text = "\n\nWhat is it?\n" + "\n".join(lines) + "\nAnswer with the letter of the right option."
    assert read_prompt(text) == Prompt("What is it?", ("x", "y", "z"))


def test_an_empty_option_keeps_its_letter():
    assert read_prompt("Which?\nA. x\nB.\nC. y").options == ("x", "", "y")


def test_long_texts_take_no_time():
    for text in ("a" * 50_000, "a " * 50_000, "A." + " " * 50_000, "? " * 20_000, "or " * 20_000):
        started = time.perf_counter()
        assert answer(read_prompt(f"Which {text}?\n{text}\nAnswer with a word."), OWL)
        assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Is this a cat?", "yes"),
        ("If it rains, is it wet?", "yes"),
        ("Isn't it?", "yes"),
        ("Hi there. Is this milk?", "yes"),
        ("Is it on or not?", "yes"),
        ("Is it a dog or an owl?", "owl"),
        ("Is it blue or red?", "red"),
        ("Is it a fish, or a bus?", "fish"),
        ("Which is bigger, the dog or the owl?", "owl"),
        ("How many owls are there?", "2"),
        ("How many colors are there?", "2"),
        ("What color is it?", "red"),
        ("What's the colour of the owl?", "red"),
        ("Could you please tell me what color this is?", "red"),
        ("Can you tell me what this is?", "owl"),
        ("What is this?", "owl"),
        ("Why?", "owl"),
    ],
)
def test_the_priors(question, expected):
    assert answer(read_prompt(question), OWL) == expected


def test_unanswerable_is_said_only_where_it_is_offered_and_nothing_is_known():
    vague = Seen(("maze",), "maze", 0.05, "gray")
    offered = read_prompt("What is it?\nAnswer with one word, or 'unanswerable'.")
    assert answer(offered, vague) == "unanswerable"
    assert answer(offered, OWL) == "owl"
    assert answer(read_prompt("What is it?"), vague) == "maze"
    assert answer(Prompt("Is it?", may_decline=True), vague) == "yes"


@pytest.mark.parametrize(
    ("question", "options", "seen", "letter"),
    [
        ("What is it?", ("a bus", "two owls"), OWL, "B"),
        ("What is it?", ("a bus", "a car"), OWL, "A"),
        ("What is it?", ("an owl", "grey owls", "a great grey owl"), OWL, "C"),
        ("How many are there?", ("One", "Two"), OWL, "B"),
        ("What color is it?", ("Blue", "Red"), OWL, "B"),
        ("What is said?", ("nothing", "the river"), Seen(heard="Over the River."), "B"),
        ("Which metal is a liquid?", ("gold", "liquid mercury"), Seen(), "B"),
        ("Which?", ("gold", "silver"), Seen(), "A"),
        ("", ("gold", "silver"), OWL, "A"),
    ],
)
def test_options_by_shared_words(question, options, seen, letter):
    assert choose(Prompt(question, options), seen) == letter
    assert answer(Prompt(question, options), seen) == letter


def test_nothing_is_guessed_without_a_question_or_a_picture():
    with pytest.raises(ValueError, match="no question"):
        answer(Prompt(), OWL)
    with pytest.raises(ValueError, match="picture"):
        answer(Prompt("What is it?"), Seen(heard="hello"))


def test_words_carry_meaning():
    assert words("The two Dogs, of a glass!") == {"two", "dog", "glass"}


def test_looking_at_probabilities():
    labels = imagenet_labels()
    sure = [0.0] * len(labels)
    sure[labels.index("great grey owl")] = 1.0
    seen = look(sure, labels, "gray", "hoot")
    assert (seen.noun, seen.belief, seen.colour, seen.heard) == ("owl", 1.0, "gray", "hoot")
    assert len(seen.names) == BEST
    split = [0.0] * len(labels)
    split[labels.index("Chihuahua")] = 0.4
    split[labels.index("toy terrier")] = 0.35
    split[labels.index("teapot")] = 0.25
    assert look(split, labels).noun == "dog"
    twins = [0.5 if label in {"sunglasses"} else 0.0 for label in labels]
    assert look(twins, labels).belief == 1.0
    with pytest.raises(ValueError, match="labels"):
        look([1.0], ["a", "b"])


@pytest.mark.parametrize(
    ("colour", "word"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "gray"),
        ((220, 20, 20), "red"),
        ((255, 140, 0), "orange"),
        ((255, 230, 0), "yellow"),
        ((30, 140, 40), "green"),
        ((20, 60, 200), "blue"),
        ((120, 30, 160), "purple"),
        ((255, 150, 190), "pink"),
        ((110, 70, 30), "brown"),
    ],
)
def test_every_colour_word_is_reached(colour, word):
    assert name(colour) == word
    assert word in NAMES


def test_every_colour_has_a_name():
    levels = range(0, 256, 51)
    assert {name((r, g, b)) for r in levels for g in levels for b in levels} <= set(NAMES)


def test_the_dominant_colour_is_that_of_the_middle():
    pil = pytest.importorskip("PIL.Image")
    image = pil.new("RGB", (100, 80), (20, 60, 200))
    image.paste((220, 20, 20), (20, 15, 80, 65))
    assert dominant(mean_colours(image)) == "red"
    assert mean_colours(pil.new("L", (1, 1), 255)) == [(255, 255, 255)] * 256
    assert dominant([(255, 255, 255), (0, 0, 0)]) == "black"
    with pytest.raises(ValueError, match="no colour"):
        dominant([])

"""The PTB tokenizer against recorded tokens, and its general properties."""

from __future__ import annotations

import time

import pytest
from golden_files import read_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.caption_cases import fakecap_captions, fakecap_tokens
from metrics.ptb_cases import KNOWN_DIFFERENCES, LINE_SEPARATORS, NO_JAVA, coco_cases

from mio_eval.metrics.ptb import TOKENIZER, ptb_tokenize, ptb_tokenize_many
from mio_eval.metrics.ptb_java import java_ptb_tokenize_many


def fakecap() -> tuple[list[str], list[str]]:
    """The captions in the order of the recorded run, and their tokens."""
    tokens = fakecap_tokens()
    results, captions = fakecap_captions()
    given_, wanted = [], []
    for image, lines in tokens["gts"].items():
        given_ += captions[image]
        wanted += lines
    for image, lines in tokens["res"].items():
        given_.append(results[image])
        wanted += lines
    return given_, wanted


# These two end in an initial, and their pairs were recorded with another caption behind them than
# the one that follows in the file: (position, why the file's neighbour changes the result).
OTHER_NEIGHBOUR = {
    18286: "followed by 'An ...' in the file, which makes the period of 'T.' a full stop",
    18316: "followed by 'Some ...' in the file, which makes the period of 'T.' a full stop",
}


def test_name() -> None:
    assert TOKENIZER == "ptb-1"


def test_every_recorded_coco_caption() -> None:
    cases = coco_cases()
    assert len(cases) == 21359
    different = [case for case in cases if " ".join(ptb_tokenize(case[0])) != case[1]]
    assert different == []


def test_every_recorded_coco_caption_as_lines_of_one_file() -> None:
    cases = coco_cases()
    found = ptb_tokenize_many([caption for caption, _ in cases])
    different = {i for i, case in enumerate(cases) if " ".join(found[i]) != case[1]}
    assert different == set(OTHER_NEIGHBOUR)


def test_every_fakecap_caption() -> None:
    captions, wanted = fakecap()
    assert len(captions) == 6005
    assert ptb_tokenize_many(captions) == [line.split(" ") for line in wanted]
    assert [ptb_tokenize(caption) for caption in captions] == [w.split(" ") for w in wanted]


@pytest.mark.parametrize(
    "case", read_golden("captioning/ptb_misc_and_bugs.json")["misc"], ids=lambda c: c["tokens"]
)
def test_misc(case: dict[str, str]) -> None:
    assert " ".join(ptb_tokenize(case["caption"])) == case["tokens"]


@pytest.mark.parametrize(
    "case", read_golden("captioning/ptb_misc_and_bugs.json")["misc"], ids=lambda c: c["tokens"]
)
def test_plain_path_agrees_with_rules(case: dict[str, str]) -> None:
    # A space that keeps the fast path away must not change the tokens.
    assert ptb_tokenize(case["caption"] + "\t") == case["tokens"].split()


@pytest.mark.parametrize("caption", KNOWN_DIFFERENCES)
def test_known_difference_is_as_documented(caption: str) -> None:
    ours, theirs, _ = KNOWN_DIFFERENCES[caption]
    assert " ".join(ptb_tokenize(caption)) == ours != theirs


@pytest.mark.parametrize("separator", LINE_SEPARATORS)
def test_line_separator_is_a_space(separator: str) -> None:
    # pycocoevalcap's wrapper would take these for two captions and shift all that follow.
    assert ptb_tokenize(f"one{separator}two.") == ["one", "two"]
    found = ptb_tokenize_many([f"one{separator}two", "three", "four"])
    assert found == [["one", "two"], ["three"], ["four"]]


def test_initial_at_the_end_depends_on_the_next_line_as_in_the_original() -> None:
    assert ptb_tokenize("at 4th Ave S.", following="") == ["at", "4th", "ave", "s."]
    assert ptb_tokenize("at 4th Ave S.", following="A dog") == ["at", "4th", "ave", "s"]
    assert ptb_tokenize_many(["Ave S.", "", "A dog"])[0] == ["ave", "s"]
    assert ptb_tokenize_many(["Ave S.", "Dogs run"])[0] == ["ave", "s."]


def test_initial_at_the_end_of_a_caption_read_alone() -> None:
    # Undecided in the original; the choice agrees with every recorded caption.
    assert ptb_tokenize("corner of Main St. and 4th Ave S.")[-1] == "s"
    assert ptb_tokenize("corner of Main and 4th Ave S.")[-1] == "s."
    assert ptb_tokenize("a Model T.")[-1] == "t."


def test_a_token_may_hold_a_no_break_space() -> None:
    assert ptb_tokenize("The 2 1/2 hot dogs") == ["the", "2\xa01/2", "hot", "dogs"]


@pytest.mark.parametrize("caption", ["", " ", "\n", ".", ",", "...", "\u200b", "\ud800", "\x00"])
def test_nothing_gives_no_tokens(caption: str) -> None:
    assert ptb_tokenize(caption) == []


# fmt: off
PIECES = st.sampled_from([
    "a", "B", ".", ",", "'", '"', "-", "/", "&", "<", ">", "(", ")", ":", ";", "!", "?", "$",
    "#", "@", "_", "*", "1", "é", "中", "—", "’", "“", "😀", "the", "The", "U.S.", "n't", "'s",
    "<s>", "&amp;", "cannot", "A.", "http://", ".com", "1/2", "St.", "\xa0", "\u2028", "\ud800",
    "\x00", " ", " ", " ",
])
# fmt: on

CAPTIONS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=20).map("".join))


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("http://x.com/\xa0 b", ["http://x.com/\xa0", "b"]),
        ("http://x.com/\xa0", ["http://x.com/"]),
        ("http://x/\xa0\xa0b", ["http://x/\xa0\xa0b"]),
        ("foo \xa0 http://x/\xa0, c", ["foo", "http://x/\xa0", "c"]),
        ("HTTP://\xa00", ["http://\xa00"]),
        ("it costs 2 1/2", ["it", "costs", "2\xa01/2"]),
        ("<a b> x", ["<a\xa0b>", "x"]),
    ],
)
def test_no_break_spaces_stay_inside_tokens(caption: str, tokens: list[str]) -> None:
    # As Stanford's tokenizer behind pycocoevalcap gave them.
    assert ptb_tokenize(caption) == tokens
    if not NO_JAVA:
        assert java_ptb_tokenize_many([caption]) == [tokens]


@settings(max_examples=300, deadline=None)
@given(CAPTIONS)
def test_tokens_are_clean(caption: str) -> None:
    tokens = ptb_tokenize(caption)
    assert tokens == ptb_tokenize(caption)
    # Only a no-break space may stand inside a token.
    assert all(
        token and token.replace("\xa0", "x").split() == [token.replace("\xa0", "x")]
        for token in tokens
    )
    assert all(not any(separator in token for separator in LINE_SEPARATORS) for token in tokens)


@settings(max_examples=200, deadline=None)
@given(st.lists(CAPTIONS, max_size=6))
def test_a_caption_never_gets_tokens_of_another(captions: list[str]) -> None:
    found = ptb_tokenize_many(captions)
    assert len(found) == len(captions)
    for caption, tokens in zip(captions, found, strict=True):
        # Only the periods of the last tokens may depend on the line behind.
        alone = ptb_tokenize(caption)
        assert [t.rstrip(".") for t in tokens] == [t.rstrip(".") for t in alone]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True), max_size=12))
def test_fast_path_equals_the_rules(words: list[str]) -> None:
    caption = " ".join(words)
    assert ptb_tokenize(caption + ".") == ptb_tokenize(caption + ".\t")
    assert ptb_tokenize(caption) == ptb_tokenize(caption + "\t")


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a.",
        "a..",
        "a•",
        "a@",
        "<a ",
        '<a b="',
        "<!a",
        "http://.",
        "it's ",
        "1/",
        "a,b-",
        "\xad",
    ],
)
def test_time_is_linear(unit: str) -> None:
    def seconds(size: int) -> float:
        start = time.process_time()
        ptb_tokenize(unit * (size // len(unit)))
        return time.process_time() - start

    small, large = seconds(5_000), seconds(40_000)
    # Eight times the text: quadratic time would be 64 times as long.
    assert large < 30 * max(small, 0.005)


def test_a_megabyte_of_words() -> None:
    assert len(ptb_tokenize("a dog, " * 150_000)) == 300_000

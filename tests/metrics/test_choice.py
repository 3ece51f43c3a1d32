"""Choices are read as the official parsers read them, and our extractor never guesses."""

from __future__ import annotations

import math
import time

import pytest
from golden_files import read_golden
from hypothesis import given
from hypothesis import strategies as st

from mio_eval import __version__
from mio_eval.errors import UsageError
from mio_eval.metrics.base import Item
from mio_eval.metrics.choice import (
    LETTER_RULES,
    PINNED,
    ChoiceAccuracy,
    group_accuracy,
    most_likely,
)
from mio_eval.metrics.choice_letter import letter
from mio_eval.metrics.choice_rules import first_char, mme_yes_no, video_mme, vlmevalkit_can_infer
from mio_eval.metrics.choice_suites import (
    MME_PERCEPTION,
    HallusionQuestion,
    hallusionbench,
    mme_score,
    mme_task,
)

CAN_INFER = read_golden("mcq/vlmevalkit_can_infer_golden.json.gz")
MME = read_golden("mcq/mme_golden.json.gz")
OPTIONS = list(CAN_INFER["choices"].values())  # a red car, a blue car, a dog, two dogs


def choice(text, answer, choices=OPTIONS, **meta):
    return Item("0", text, (answer,), meta={"choices": choices, **meta})


def read(item, rule):
    statistics = ChoiceAccuracy(rule=rule).statistics([item])
    return statistics.details[0]["read"], statistics.values[0, 0]


@pytest.mark.parametrize("case", CAN_INFER["cases"], ids=lambda case: ascii(case["answer"]))
def test_vlmevalkit(case):
    assert (vlmevalkit_can_infer(case["answer"], OPTIONS) or False) == case["can_infer"]
    got, correct = read(choice(case["answer"], "B"), "vlmevalkit-can-infer")
    assert correct == (case["can_infer"] == "B")
    assert got == (case["can_infer"] if case["can_infer"] in list("ABCD") else None)


def test_mme_parser():
    (table,) = (v for k, v in MME["golden"].items() if k.startswith("parse"))
    for text, parsed in table.items():
        assert (mme_yes_no(text) or "other") == parsed, text


def test_mme_suite():
    tasks, items = {}, {}
    for name, lines in MME["files"].items():
        rows = [line.rstrip("\n").split("\t") for line in lines]
        items[name] = [Item(str(i), row[3], (row[2],)) for i, row in enumerate(rows)]
        values = ChoiceAccuracy(rule="mme").statistics(items[name]).values
        tasks[name] = ([bool(v) for v in values[:, 0]], [row[0] for row in rows])
    score = mme_score(tasks)
    assert score.perception == pytest.approx(1420.2142205620464, abs=1e-9)
    assert score.cognition == pytest.approx(587.6322751322753, abs=1e-9)
    printed = {}
    for line in MME["golden"]["official_stdout"].splitlines():
        words = line.split()
        if words[1:2] == ["score:"] and words[0] != "total":
            printed[words[0]] = float(words[2])
    assert printed.keys() == score.tasks.keys()
    for name, value in printed.items():
        assert score.tasks[name] == pytest.approx(value, abs=1e-9)
    with pytest.raises(ValueError, match="MME has the tasks"):
        mme_score({name: tasks[name] for name in MME_PERCEPTION})
    with pytest.raises(ValueError, match="without questions"):
        mme_task([], [])


def test_hallusionbench():
    golden = read_golden("mcq/hallusionbench_golden.json.gz")
    keys = ("category", "subcategory", "set_id", "figure_id", "question_id")
    rows = [
        HallusionQuestion(*(case[k] for k in keys), verdict=int(case["gpt4v_output_gpt_check"]))
        for case in golden["cases"]
    ]
    for part in ("all", "VD", "VS"):
        score = hallusionbench(row for row in rows if part in ("all", row.category))
        expected = golden["golden"][part]
        assert score.a_acc == pytest.approx(expected["aAcc"], abs=1e-9)
        assert score.q_acc == pytest.approx(expected["qAcc"], abs=1e-9)
        assert score.f_acc == pytest.approx(expected["fAcc"], abs=1e-9)
    with pytest.raises(ValueError, match="questions about figures"):
        hallusionbench([])


def test_ocrbench():
    golden = read_golden("mcq/ocrbench_golden.json.gz")
    items, types = [], []
    for index, case in enumerate(golden["cases"]):
        answers = case["answers"] if isinstance(case["answers"], list) else [case["answers"]]
        meta = {"dataset_name": case["dataset_name"]}
        items.append(Item(str(index), case["predict"], tuple(map(str, answers)), meta=meta))
        types.append(case["type"])
    values = ChoiceAccuracy(rule="contains").statistics(items).values
    assert values[:, 0].tolist() == [case["result"] for case in golden["cases"]]
    assert values[:, 0].sum() == golden["Final_score"] == 703
    groups = group_accuracy(values[:, 0], types)
    counts = {name: types.count(name) * value / 100 for name, value in groups.items()}
    assert counts == pytest.approx(golden["OCRBench_score"], abs=1e-9)


@pytest.mark.parametrize(
    ("text", "found"),
    [  # what thanku-all/parse_answer at afd52cf returns
        *(("A", "A"), ("The answer is B.", "B"), ("Best option: A", "B"), ("Answer: C", "C")),
        *(("Option: D", "D"), ("Best answer: D", "B"), ("Cannot determine", "C")),
        *(("A man rides the horse, so B", "A"), ("b", None), ("", None), ("Answer:", None)),
        *(("The best option is A", "A"), ("The correct answer is\nD", "D"), ("(C)", "C")),
        *(("none of the above options is right in my humble personal opinion", None),),
    ],
)
def test_video_mme(text, found):
    assert video_mme(text, OPTIONS) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("B", "B"), (" B. a dog", "B"), ("Both", "B"), ("(B)", "("), ("b", "b"), ("  ", None)],
)
def test_first_char(text, found):
    assert first_char(text, OPTIONS) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # 1. a letter alone
        *(("A", "A"), ("a", "A"), ("b.", "B"), ("(C)", "C"), ("[d]", "D"), ("**B**\n", "B")),
        *(("\\boxed{D}", "D"), ("E", None), ("Z", None), ("", None), ("AB", None)),
        # 2. the text of an option
        *(("a dog", "C"), ("Two  dogs.", "D"), ("A red car", "A")),
        # 3. a statement
        *(("Answer: A", "A"), ("answer is (b).", "B"), ("Option A is correct", "A")),
        *(("A is correct", "A"), ("The answer is A because of it", "A"), ("option b", "B")),
        *(("Answer: (A) dog", "A"), ("Answer:\n\nC\nBecause", "C"), ("My choice is D.", "D")),
        ("The correct answer is **B**. Here is why: A is bad", "B"),
        *(("The answer is a dog", "C"), ("Answer: A dog", "C"), ("The answer is B or C", None)),
        ("The answer is B. Option C is wrong", None),
        # 4. a letter first
        *(("B. a blue car", "B"), ("B) yes", "B"), ("(b) a dog here", "B"), ("B. a dog", None)),
        *(("(A) or (B)", None), ("A, B", None), ("A, C, D", None), ("D: two dogs", "D")),
        # 5. letters anywhere
        *(("I'd say D", "D"), ("B or C", None), ("A B", None), ("A/B", None), ("not B", None)),
        *(("C since it shows an animal", "C"), ("The answer isn't B, it's C", "C")),
        *(("A man", None), ("I see A man and B", "B"), ("A's", None)),
        # 6. the text of an option inside
        *(("I think it is a dog", "C"), ("it is a red car", "A"), ("there are two dogs", "D")),
        *(("a blue car and a dog", None), ("a doghouse", None), ("None", None)),
    ],
)
def test_letter(text, found):
    assert letter(text, OPTIONS) == found


def test_letter_with_odd_options():
    assert letter("dogs", ["dog", "dogs", "two dogs"]) == "B"
    assert letter("I see two dogs", ["dog", "dogs", "two dogs"]) == "C"
    assert letter("two dogs, or dogs", ["dog", "dogs", "two dogs"]) is None
    assert letter("cat", ["cat", "cat"]) is None  # equal options cannot be told apart
    assert letter("A", ["B", "A"]) == "A"  # a letter is a letter
    assert letter("C. elegans", ["fly", "C. elegans", "mouse"]) == "B"
    assert letter("?", ["?", "!"]) is None
    assert letter("I", [f"option {i}" for i in range(10)]) == "I"
    assert letter("A", []) is None


def test_unread_answers_are_wrong_and_counted():
    metric = ChoiceAccuracy()
    items = [choice(text, "B") for text in ("B", "A", "who knows", "")]
    values = metric.statistics(items).values
    assert values.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 1, 1]]
    assert metric.score(values.sum(axis=0)) == 25.0
    assert metric.note(values) == "2 answers not parsed, counted as wrong"
    assert metric.note(values[:1]) == ""
    assert metric.statistics([]).values.shape == (0, 3)


def test_signatures_show_pinned_rules():
    assert ChoiceAccuracy().signature(9) == f"choice_acc|rule:letter-1|n:9|v:{__version__}"
    assert len({ChoiceAccuracy(rule=rule).signature(1) for rule in PINNED}) == len(PINNED)
    with pytest.raises(UsageError, match="unknown rule"):
        ChoiceAccuracy(rule="random")


def loglik(sums, tokens, answer="B", **meta):
    annotations = {"loglikelihood": {"sum": sums, "tokens": tokens}}
    return Item("0", "", (answer,), annotations=annotations, meta=meta)


def test_loglikelihood_stored_as_output():
    """What a run by likelihood stores is read by the rules of likelihood, and by no other."""
    text = '{"loglikelihood":{"options":[" x"," y"],"sum":[-4.0,-6.0],"tokens":[2,4]}}'
    item = Item("7", text, ("B",), meta={"choices": ["x", "y"]})
    assert read(item, "loglik-sum") == ("A", 0.0)
    assert read(item, "loglik-mean") == ("B", 1.0)
    for rule in ("letter", "first-char", "video-mme", "vlmevalkit-can-infer"):
        with pytest.raises(ValueError, match="asked for log-likelihoods, not for text"):
            read(item, rule)
    for damaged in ("{}", '{"loglikelihood":', '{"loglikelihood":5}', '{"loglikelihood":{}}'):
        with pytest.raises(ValueError, match="no log-likelihoods"):
            read(Item("7", damaged, ("B",), meta={"choices": ["x", "y"]}), "loglik-sum")


def test_loglikelihood():
    item = loglik([-4.0, -6.0], [2, 4], choices=["x", "y"])
    assert read(item, "loglik-sum") == ("A", 0.0)
    assert read(item, "loglik-mean") == ("B", 1.0)
    assert read(loglik([-4.0, -6.0], [2, 4]), "loglik-mean") == ("B", 1.0)
    assert most_likely({"sum": [-2.0, -1.0, -1.0]}) == 1  # the lowest index of equals
    assert most_likely({"sum": [-2.0, -4.0], "tokens": [1, 2]}, mean=True) == 0


@pytest.mark.parametrize(
    ("item", "rule", "message"),
    [
        (Item("7", "A", ()), "letter", "sample 7 has no references"),
        (Item("7", "A", ("A",)), "letter", "needs the options"),
        (choice("A", "a dog"), "letter", "must be one of the letters ABCD"),
        (choice("A", "E"), "first-char", "must be one of the letters ABCD"),
        (Item("7", "yes", ("A",)), "mme", "needs yes or no"),
        (Item("7", "", ("A",)), "loglik-sum", "no log-likelihoods"),
        (loglik([-1.0], [1], choices=["x", "y"]), "loglik-sum", "1 log-likelihoods for 2"),
        (loglik([-1.0, math.nan], [1, 1]), "loglik-sum", "not a number"),
        (loglik([-1.0, -1.0], [1, 0]), "loglik-mean", "number of tokens"),
        (loglik([-1.0, -1.0], [1]), "loglik-mean", "number of tokens"),
    ],
)
def test_refusals(item, rule, message):
    with pytest.raises(ValueError, match=message):
        ChoiceAccuracy(rule=rule).statistics([item])


def test_group_accuracy():
    found = group_accuracy([1, 0, 1, 1], ["speech", "music", "speech", "music"])
    assert list(found.items()) == [("speech", 100.0), ("music", 50.0)]


texts = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([*"ABCDa().,:;*\n ", "answer is ", "or ", "dog", "not ", "İ"])).map(
        "".join
    ),
)


@given(texts, st.lists(texts, min_size=1, max_size=6))
def test_hostile_text(text, choices):
    for rule in (*LETTER_RULES, "contains"):
        item = choice(text, "A", choices)
        got, correct = read(item, rule)
        assert correct in (0.0, 1.0)
        assert got is None or correct == (got == "A") or rule == "contains"
    item = Item("0", text, ("Yes",))
    assert read(item, "mme")[1] in (0.0, 1.0)


def test_long_hostile_text_is_quick():
    start = time.perf_counter()
    for part in (
        " ",
        "answer is ",
        "(",
        "\\boxed{",
        "A ",
        "B, ",
        " or",
        "a dog ",
        "/",
        "*a",
        "not ",
    ):
        letter("answer" + part * (100_000 // len(part)), OPTIONS)
        vlmevalkit_can_infer(part * (100_000 // len(part)), OPTIONS)
    assert time.perf_counter() - start < 10  # about 0.5 s

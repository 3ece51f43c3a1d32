"""Rows drawn with seeds of their own: the right distribution, in transformers' own order."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
stats = pytest.importorskip("scipy.stats")

from mio_eval.compat import import_torchvision  # noqa: E402
from mio_eval.models.sampling import RowDraw, sampling_processors  # noqa: E402

import_torchvision()  # before transformers
VOCABULARY = 24


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def logits() -> Any:
    return 1.5 * torch.randn(1, VOCABULARY, generator=torch.Generator().manual_seed(4))


def counts(draw: RowDraw, logits: Any, rows: int, rounds: int) -> Any:
    """How often each token was drawn by `rows` rows in `rounds` steps."""
    scores = logits.expand(rows, -1)
    drawn = [draw(None, scores).argmax(-1) for _ in range(rounds)]
    return torch.bincount(torch.cat(drawn), minlength=VOCABULARY)


@pytest.mark.parametrize(("rows", "rounds"), [(20, 2000), (8000, 5)])
def test_tokens_come_as_often_as_the_softmax_says(logits: Any, rows: int, rounds: int) -> None:
    """Of many steps of few rows, and of the first steps of many neighbouring seeds."""
    found = counts(RowDraw(range(rows)), logits, rows, rounds)
    want = logits[0].double().softmax(-1) * (rows * rounds)
    assert want.min() > 5  # else chi-square is no test
    assert stats.chisquare(found.numpy(), want.numpy()).pvalue > 1e-4  # seeds are fixed
    wrong = (logits[0].double() / 1.05).softmax(-1) * (rows * rounds)
    assert stats.chisquare(found.numpy(), wrong.numpy()).pvalue < 1e-6  # and it could fail


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.6},
        {"top_k": 5},
        {"top_p": 0.8},
        {"min_p": 0.1},
        {"typical_p": 0.7},
        {"temperature": 1.4, "top_k": 9, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.9},
    ],
)
def test_settings_do_what_transformers_own_sampling_does(
    logits: Any, settings: dict[str, float]
) -> None:
    """What may be drawn, and how likely, as the processors that `generate` itself builds."""
    arguments = {"do_sample": True, "num_beams": 1, **settings}
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=1,
        )
    )  # fmt: skip
    config = transformers.GenerationConfig(**{"top_k": 0, **arguments})
    theirs = model._get_logits_processor(config)
    want = theirs(torch.zeros(1, 3, dtype=torch.long), logits.clone()).double().softmax(-1)[0]
    *ours, last = sampling_processors(arguments, [0])
    assert arguments == {"do_sample": False, "num_beams": 1}
    assert isinstance(last, RowDraw)
    scores = logits.clone()
    for processor in ours:
        scores = processor(None, scores)
    assert torch.equal(scores.double().softmax(-1)[0], want)
    found = counts(last, scores, 1, 3000)
    assert not found[want == 0].any()
    likely = want * 3000 > 5
    assert torch.allclose(found[likely] / 3000, want[likely].float(), atol=0.04)  # over 4 sigma


def test_a_row_does_not_see_its_batch(logits: Any) -> None:
    other = torch.randn(1, VOCABULARY, generator=torch.Generator().manual_seed(5))
    together, alone = RowDraw([3, 11, 3]), RowDraw([11])
    drawn = []
    for step in range(40):
        batch = torch.cat([other, logits + step % 3, logits])
        token = together(None, batch)[1].argmax()
        assert token == alone(None, logits + step % 3)[0].argmax()
        drawn.append(int(token))
    assert len(set(drawn)) > 5


def test_a_certain_token_is_always_drawn_and_an_excluded_one_never() -> None:
    scores = torch.full((2, 9), -torch.inf)
    scores[0, 0] = scores[1, 8] = 3.0
    draw = RowDraw([1, 2])
    for _ in range(50):
        assert draw(None, scores).argmax(-1).tolist() == [0, 8]


def test_the_largest_number_below_one_still_draws_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding up would point beyond the last token that may come."""
    most = torch.tensor([1 - 2**-53], dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda *size, **more: most)
    for seed in range(30):
        scores = torch.randn(1, 1000, generator=torch.Generator().manual_seed(seed))
        scores[0, 600:] = -torch.inf
        assert int(RowDraw([0])(None, scores).argmax()) < 600


def test_scores_that_are_no_numbers_are_an_error() -> None:
    scores = torch.zeros(2, 4)
    scores[1, 2] = torch.nan
    with pytest.raises(ValueError, match="not numbers"):
        RowDraw([0, 1])(None, scores)

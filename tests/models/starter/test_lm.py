"""The starter's language model: its log-likelihoods beside lm-eval's and llama.cpp's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
from engine.loglikelihood_models import write_llama

from mio_eval.models.loglikelihood import LoglikelihoodRequest
from mio_eval.models.starter.assets import ASSETS, fetch
from mio_eval.models.starter.lm import LanguageModel
from mio_eval.shipped import sample_data

GOLDEN = Path(__file__).parents[2] / "golden" / "starter" / "smollm2.json"
ROWS = (sample_data() / "mmlu" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
QUESTIONS = [json.loads(line)["question"] for line in ROWS]
PAIRS = [
    *[(QUESTIONS[0] + "\nAnswer:", f" {letter}") for letter in "ABCD"],
    ("The sky is", " blue and wide"),
    ("The sky is ", "blue and wide"),  # the space counts to the continuation
    ("The sky is\n\n  ", " blue"),
    ("Ein Mädchen läuft über die", " Straße 猫 🐈"),
    (QUESTIONS[1] + "\nAnswer:", " B"),
    (QUESTIONS[0] + "\nAnswer:", " A"),  # asked before
    ("", "The sky"),
    ("", " A B C D"),
    ("x", "y"),
]


def requests(pairs):
    return [LoglikelihoodRequest(context, continuation) for context, continuation in pairs]


def hflm(model, tokenizer):
    """lm-eval's own model on the same weights."""
    pytest.importorskip("lm_eval")
    pytest.importorskip("accelerate")
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=3, device="cpu")


def theirs(model, tokenizer, pairs):
    from lm_eval.api.instance import Instance

    asked = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    return hflm(model, tokenizer).loglikelihood(asked, disable_tqdm=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = write_llama(tmp_path_factory.mktemp("llama"), QUESTIONS)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), tokenizer


def test_equals_lm_evals_own_model(tiny):
    found = list(LanguageModel(*tiny).loglikelihood(requests(PAIRS)))
    wanted = theirs(*tiny, PAIRS)
    assert [r.logprob for r in found] == pytest.approx([w[0] for w in wanted], abs=1e-3, rel=1e-5)
    assert [r.greedy for r in found] == [w[1] for w in wanted]
    assert len({round(r.logprob, 3) for r in found}) >= len(PAIRS) - 2


def test_greedy_is_seen(tiny):
    """The continuation that greedy decoding gives is greedy; another one is not."""
    model, tokenizer = tiny
    inputs = tokenizer("The sky is", return_tensors="pt")
    best = model.generate(**inputs, max_new_tokens=1, do_sample=False)[0]
    pairs = [("The sky is", tokenizer.decode(best)[len("The sky is") :]), ("The sky is", " X")]
    found = list(LanguageModel(*tiny).loglikelihood(requests(pairs)))
    assert [r.greedy for r in found] == [True, False]


def test_values_do_not_depend_on_the_batch(tiny):
    model = LanguageModel(*tiny)
    together = list(model.loglikelihood(requests(PAIRS)))
    alone = [next(iter(model.loglikelihood(requests([pair])))) for pair in PAIRS]
    assert [r.logprob for r in together] == pytest.approx([r.logprob for r in alone], abs=1e-5)
    assert [r.tokens for r in together] == [r.tokens for r in alone]
    assert together[0].tokens == 1
    assert together[4].tokens > 1


def test_options_of_one_question_share_a_forward_pass(tiny, monkeypatch):
    model = LanguageModel(*tiny)
    calls = []
    kept = model._logprobs
    monkeypatch.setattr(model, "_logprobs", lambda i, n: calls.append(len(i)) or kept(i, n))
    list(model.loglikelihood(requests(PAIRS[:4])))
    assert len(calls) == 1


def test_an_empty_continuation_is_an_error(tiny):
    with pytest.raises(ValueError, match="no token of its own"):
        list(LanguageModel(*tiny).loglikelihood(requests([("a", "")])))


def test_a_context_that_is_too_long_is_an_error_not_cut(tiny):
    longest = tiny[0].config.max_position_embeddings
    fits, over = " A" * (longest - 1), " A" * longest
    (found,) = LanguageModel(*tiny).loglikelihood(requests([(fits, " B C")]))
    assert found.tokens == 2
    with pytest.raises(ValueError, match=f"{longest + 1} tokens.* nothing was cut"):
        list(LanguageModel(*tiny).loglikelihood(requests([(over, " B C")])))
    tiny[1].chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(ValueError, match="nothing was cut"):
        LanguageModel(*tiny).reply(fits)


@pytest.fixture(scope="module")
def smollm():
    pytest.importorskip("gguf")
    return LanguageModel.from_gguf(fetch(ASSETS["smollm2-135m-instruct"]), threads=2)


@pytest.mark.starter
def test_agrees_with_llama_cpp(smollm):
    """llama.cpp rounds activations to 8 bits, so the two differ by a few hundredths."""
    differences = []
    for row in json.loads(GOLDEN.read_text())["prompts"]:
        found = smollm._logprobs(smollm._ids(row["prompt"]), 1)[0]
        assert int(found.argmax()) == row["top"][0][0]
        differences += [abs(float(found[token]) - logprob) for token, logprob in row["top"]]
    assert max(differences) < 0.4
    assert sum(differences) / len(differences) < 0.12


@pytest.mark.starter
def test_speaks(smollm):
    answer = smollm.reply("Write one sentence about dogs.", 24)
    assert "dog" in answer.lower()
    assert answer.isascii()
    assert len(set(answer.split())) > 8


@pytest.mark.starter
def test_mmlu_equals_lm_evals_own_model_on_the_same_weights(smollm, tmp_path):
    pytest.importorskip("lm_eval")
    from lm_eval import simple_evaluate

    from mio_eval.data.lm_eval_tasks import load_tasks, mmlu
    from mio_eval.engine.journal import read_journal
    from mio_eval.engine.score import score_task
    from mio_eval.engine.text_harness import run_lm_eval_task
    from mio_eval.metrics.accuracy import Acc
    from mio_eval.models.starter.backend import Starter

    few = 4
    spec = mmlu(str(sample_data() / "mmlu" / "dev.jsonl"))
    logged = simple_evaluate(
        model=hflm(smollm._model, smollm._tokenizer),
        tasks=list(load_tasks(spec).values()),
        limit=few,
        bootstrap_iters=0,
    )
    starter = Starter()
    starter._language = smollm
    run_lm_eval_task(starter, spec, limit=few, seed=0, cache=None, folder=tmp_path)
    score = score_task(tmp_path, [Acc()], "acc").scores["acc"]
    assert score.value == pytest.approx(100 * logged["results"]["mio_mmlu_sample"]["acc,none"])
    rows = list(read_journal(tmp_path / "samples.jsonl"))
    for row, sample in zip(rows, logged["samples"]["mio_mmlu_sample"], strict=True):
        want = [answer[0][0] for answer in sample["resps"]]
        assert row["meta"]["loglikelihood"]["sum"] == pytest.approx(want, abs=2e-3)

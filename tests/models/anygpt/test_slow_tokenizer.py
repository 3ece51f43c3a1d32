"""Prompts cut into tokens as by the slow Llama tokenizer of transformers 4, which AnyGPT uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reference.slow_tokenizer import ADDED, FORMS, PROMPTS, write_tokenizer

from mio_eval.compat import import_torchvision
from mio_eval.models.hf.family import Checkpoint
from mio_eval.models.slow_tokenizer import slow_tokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "anygpt" / "slow_tokenizer"
IDS = json.loads(GOLDEN.with_suffix(".json").read_text())


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tokenizer(form: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import_torchvision()  # transformers imports it where it is installed
    folder = tmp_path_factory.mktemp("tokenizer") / form
    write_tokenizer(folder, GOLDEN.with_suffix(".model"), form)
    return slow_tokenizer(Checkpoint(str(folder), None, {}))


@pytest.mark.parametrize("number", range(len(PROMPTS)))
def test_ids_equal_the_reference(tokenizer: Any, form: str, number: int) -> None:
    text = PROMPTS[number]
    assert tokenizer(text)["input_ids"] == IDS[form][number]
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert plain == IDS[f"{form}, no BOS"][number]


def test_mios_own_golden_values_hold_too() -> None:
    import_torchvision()
    folder = Path(__file__).parents[2] / "golden" / "mio" / "tokenizer"
    tokenizer = slow_tokenizer(Checkpoint(str(folder), None, {}))
    for case in json.loads((folder / "ids.json").read_text("utf-8")):
        found = tokenizer(case["text"], add_special_tokens=False)["input_ids"]
        assert found == case["ids"], case["text"]


def test_a_batch_is_padded_on_the_left(tokenizer: Any) -> None:
    batch = tokenizer(list(PROMPTS[:2]), return_tensors="pt", padding=True, padding_side="left")
    longest = max(len(tokenizer(text)["input_ids"]) for text in PROMPTS[:2])
    assert batch["input_ids"].shape == (2, longest)
    assert batch["attention_mask"][:, -1].tolist() == [1, 1]
    assert tokenizer.pad_token_id == 0


def test_text_comes_back(tokenizer: Any) -> None:
    text = "a small dog, ünïcode 犬"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    media = "<image><img1><img2></image>"
    ids = tokenizer(f"a dog {media} red", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids).replace(" ", "") == f"adog{media}red"
    ends = tokenizer.decode([tokenizer.bos_token_id, *ids], skip_special_tokens=True)
    assert ends == tokenizer.decode(ids)


def test_media_tokens_have_their_ids(tokenizer: Any) -> None:
    known = tokenizer.get_vocab()
    assert [known[token] for token in ADDED] == list(range(400, 400 + len(ADDED)))


def test_a_checkpoint_without_a_sentencepiece_model_keeps_its_tokenizer(tmp_path: Path) -> None:
    assert slow_tokenizer(Checkpoint(str(tmp_path), None, {})) is None

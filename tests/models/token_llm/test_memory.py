"""The memory that `models show` prints, against networks of the released sizes, without weights."""

from __future__ import annotations

import pytest
import torch
from reference.speech_tokenizer import FULL
from torch import nn

from mio_eval.cli import main
from mio_eval.compat import import_torchvision
from mio_eval.models.anygpt import memory as anygpt
from mio_eval.models.anygpt.conformer import Conformer, StormSizes
from mio_eval.models.mio import memory as mio
from mio_eval.models.seed2.tokenizer import SeedTokenizer
from mio_eval.models.seed2.weights import SeedSizes
from mio_eval.models.speech_tokenizer.codec import CodecConfig, SpeechTokenizer


def billions(model: nn.Module) -> float:
    return sum(weight.numel() for weight in model.parameters()) / 1e9


def llama(**sizes: int) -> nn.Module:
    import_torchvision()  # transformers imports it where it is installed
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
        tie_word_embeddings=False,
        **sizes,
    )
    return LlamaForCausalLM(config)


def test_the_sizes_are_those_of_the_released_networks() -> None:
    with torch.device("meta"):
        found = {
            "mio": llama(vocab_size=76_294, num_key_value_heads=4),
            "anygpt": llama(vocab_size=32_000 + 17_420, num_key_value_heads=32),
            "image tokenizer": SeedTokenizer(
                SeedSizes(
                    image=224,
                    patch=14,
                    vision=(1408, 39, 6144),
                    qformer=(768, 12, 3072),
                    queries=32,
                    codes=(8192, 32),
                    decoder=(4, 3072),
                    down=(256, 128, 32),
                    embedding=1024,
                )
            ),
            "speech tokenizer": SpeechTokenizer(
                CodecConfig(**{name: FULL[name] for name in CodecConfig.__dataclass_fields__})
            ),
            "SoundStorm": Conformer(
                StormSizes(
                    width=1024,
                    depth=12,
                    inner=1024,
                    hidden=4096,
                    conv=2048,
                    kernel=31,
                    levels=7,
                    codes=1024,
                    semantic=1024,
                )
            ),
        }
    counted = {name: billions(model) for name, model in found.items()}
    assert mio.SIZES["language model"] == pytest.approx(counted["mio"], abs=0.006)
    assert anygpt.SIZES["language model"] == pytest.approx(counted["anygpt"], abs=0.006)
    # The released files hold more than is used: word embeddings, a layer to match HuBERT's states.
    for name in ("image tokenizer", "speech tokenizer"):
        assert mio.SIZES[name] == anygpt.SIZES[name] == pytest.approx(counted[name], abs=0.03)
    assert anygpt.SIZES["SoundStorm"] == pytest.approx(counted["SoundStorm"], abs=0.006)


@pytest.mark.parametrize(("name", "module"), [("mio", mio), ("anygpt", anygpt)])
def test_models_show_prints_them(
    name: str, module: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", "show", name])
    assert not ended.value.code
    shown = capsys.readouterr().out
    for part, half, whole in module.table():
        assert f"{part}: {half:.1f}, {whole:.1f}" in shown
        assert whole == 2 * half

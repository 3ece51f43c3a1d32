"""Records what AnyGPT's released SoundStorm fills in, for `tests/models/anygpt/test_soundstorm.py`.

Run it beside a checkout of github.com/OpenMOSS/AnyGPT, in the folder tests/, in an environment with
torch and einops:

    python -m reference.soundstorm --reference AnyGPT --out golden/anygpt/soundstorm
    python -m reference.soundstorm --reference AnyGPT --full --out FOLDER/full

It writes OUT.json (sizes, names and shapes of the weights) and OUT.npz (codes and logits). The
weights themselves are made again from their names, see weights.py. The released code draws random
numbers from torch's global generator; it is seeded before every call.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from reference.weights import make_weight, make_weights

FULL = {"dim": 1024, "depth": 12, "heads": 8, "dim_head": 128}
SMALL = {"dim": 32, "depth": 2, "heads": 4, "dim_head": 8}
LEVELS, CODES = 7, 1024
SEED = 5
STEPS = 40  # of what is said
PROMPT = 25  # of the voice
# name: (steps, with a voice, greedy)
CASES = {
    "greedy_1": (1, False, True),
    "greedy_3": (3, False, True),
    "greedy_1_voice": (1, True, True),
    "greedy_4_voice": (4, True, True),
    "sampled_3": (3, False, False),
    "sampled_3_voice": (3, True, False),
}


def storm_weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Make weights whose gains are near one and whose logits spread by about one."""
    state = make_weights(shapes)
    for name, shape in shapes.items():
        if name.endswith(("gamma", "net1.0.weight", "to_logits.0.weight")):
            state[name] = make_weight(name + " alpha", tuple(shape))
        if name == "net.to_logits.2.weight":
            state[name] = state[name] * math.sqrt(shape[-1])
    return state


def codes_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Make codes, the same everywhere."""
    return (np.abs(make_weight(f"{name} norm", shape).numpy()) * 9973).astype(np.int64) % CODES


def build(reference: Path, sizes: dict) -> torch.nn.Module:
    """Build the released network at these sizes, without its trainer's imports."""
    # It only checks types, and its newer versions refuse one of the release's.
    sys.modules["beartype"] = types.ModuleType("beartype")
    sys.modules["beartype"].beartype = lambda function: function
    sys.modules["beartype.typing"] = typing
    package = types.ModuleType("soundstorm_speechtokenizer")
    package.__path__ = [str(reference / "soundstorm_speechtokenizer")]
    sys.modules["soundstorm_speechtokenizer"] = package
    from soundstorm_speechtokenizer.soundstorm import ConformerWrapper, SoundStorm

    net = ConformerWrapper(
        codebook_size=CODES, num_quantizers=LEVELS, conformer={**sizes, "attn_flash": False}
    )
    return SoundStorm(
        net=net, num_semantic_token_ids=CODES, semantic_pad_id=CODES, pad_id=CODES,
        schedule="cosine",
    )  # fmt: skip


@torch.no_grad()
def main() -> None:
    """Run the reference and write its outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    sizes = FULL if options.full else SMALL
    model = build(options.reference, sizes).eval()
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(storm_weights(shapes))
    said = torch.from_numpy(codes_of("said", (1, STEPS)))
    voice = torch.from_numpy(codes_of("voice", (1, PROMPT, 1 + LEVELS)))
    arrays = {}
    for name, (steps, with_voice, greedy) in CASES.items():
        torch.manual_seed(SEED)
        found = model.generate(said, voice if with_voice else None, steps=steps, greedy=greedy)
        arrays[name] = found[0].T.numpy().astype(np.int16)
    known = torch.from_numpy(codes_of("sound", (1, STEPS, LEVELS)))
    known[:, STEPS // 2 :, 1:] = CODES
    logits = model.net(known.flatten(1), cond=model.semantic_token_emb(said))
    picked = slice(None, None, 97) if not options.full else slice(None)
    arrays["logits"] = logits.view(STEPS, LEVELS, CODES)[..., picked].numpy()
    facts = {"sizes": sizes, "shapes": shapes}
    options.out.with_suffix(".json").write_text(json.dumps(facts, indent=0) + "\n")
    np.savez_compressed(options.out.with_suffix(".npz"), **arrays)


if __name__ == "__main__":
    main()

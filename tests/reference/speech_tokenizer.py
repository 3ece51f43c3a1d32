"""Records what the released SpeechTokenizer code computes, for `tests/models/mio/test_codec.py`.

Run it beside a checkout of github.com/MIO-Team/MIO (whose `speech_tokenizer` is that of
github.com/ZhangXInFD/SpeechTokenizer), in the folder tests/, with torch and einops installed:

    python -m reference.speech_tokenizer --reference MIO --out golden/mio/speech_tokenizer
    python -m reference.speech_tokenizer --reference MIO --full --out FOLDER/full

It writes OUT.json (config, names and shapes of the weights) and OUT.npz (codes and waves). The
weights themselves are made again from their names, see weights.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from reference.weights import make_weights

FULL = {
    "n_filters": 64,
    "strides": [8, 5, 4, 2],
    "dimension": 1024,
    "semantic_dimension": 768,
    "bidirectional": True,
    "dilation_base": 2,
    "residual_kernel_size": 3,
    "n_residual_layers": 1,
    "lstm_layers": 2,
    "activation": "ELU",
    "codebook_size": 1024,
    "n_q": 8,
    "sample_rate": 16000,
}
SMALL = {**FULL, "n_filters": 2, "dimension": 24, "semantic_dimension": 16, "codebook_size": 1024}


def wave(samples: int) -> np.ndarray:
    """Make a sound of three tones and some noise, the same everywhere."""
    t = np.arange(samples) / 16000
    tones = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 554.4, 1760.0)) / 5
    noise = np.random.default_rng(0).standard_normal(samples) / 50
    return (tones + noise).astype(np.float32)


def main() -> None:
    """Run the reference and write its outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--activation", default="ELU")
    options = parser.parse_args()
    sys.path.insert(0, str(options.reference))
    from speech_tokenizer import SpeechTokenizer

    config = {**(FULL if options.full else SMALL), "activation": options.activation}
    model = SpeechTokenizer(config).eval()
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(make_weights(shapes))
    arrays = {}
    with torch.no_grad():
        for samples in (1, 319, 4000, 16001):
            x = torch.from_numpy(wave(samples))[None, None]
            codes = model.encode(x)
            arrays[f"codes_{samples}"] = codes[:, 0].numpy().astype(np.int16)
            arrays[f"wave_{samples}"] = model.decode(codes[:4])[0, 0].numpy()
        arrays["from_level_2"] = model.decode(codes[2:5], st=2)[0, 0].numpy()
    options.out.with_suffix(".json").write_text(
        json.dumps({"config": config, "shapes": shapes}, indent=0) + "\n"
    )
    np.savez_compressed(options.out.with_suffix(".npz"), **arrays)


if __name__ == "__main__":
    main()

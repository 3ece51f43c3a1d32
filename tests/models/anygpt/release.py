"""A complete AnyGPT checkpoint folder at small sizes: the released file names, keys and tokens.

After any prompt its language model writes one image, one speech, words, and the end.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from models.token_llm import release
from models.token_llm.release import IMAGE_CODES, image_codes, speech_codes, words
from reference.soundstorm import storm_weights

from mio_eval.compat import import_torchvision

STORM = Path(__file__).parents[2] / "golden" / "anygpt" / "soundstorm.json"
SPECIALS = ("[Human]", "[MMGPT]", "<eoh>", "<eos>", "<-Res->", "<-Ins->")
MARKERS = ("<soim>", "<eoim>", "<sosp>", "<eosp>", "<somu>", "<eomu>")


def written() -> list[str]:
    """The tokens that the model writes after any prompt, up to the end."""
    image = [f"<👀{code}>" for code in image_codes()]
    speech = [f"<🗣️{code}>" for code in speech_codes()]
    return ["<soim>", *image, "<eoim>", "<sosp>", *speech, "<eosp>", *words(), "<eos>"]


def write_release(folder: Path, *, broken: str = "") -> Path:
    """Write the folder. `broken` makes the model write something malformed."""
    import_torchvision()  # transformers imports it where it is installed
    folder.mkdir(parents=True)
    media = [f"<👀{n}>" for n in range(IMAGE_CODES)]
    media += [f"<🗣️{n}>" for n in range(1024)] + [f"<🎶{n}>" for n in range(8)]
    base = ("<unk>", "<s>", "</s>")
    tokens = release.write_tokenizer(folder, base, (*SPECIALS, *MARKERS, *media))
    release.write_language(folder, tokens, release.broken_chain(written(), broken, "<eosp>"))
    release.write_image_parts(folder)
    release.write_codec(folder / "speechtokenizer", "speech_tokenizer_snake", "ckpt.dev")
    (folder / "soundstorm").mkdir()
    write_storm(folder / "soundstorm" / "speechtokenizer_soundstorm_mls.pt")
    return folder


def write_storm(path: Path) -> Path:
    """Write a SoundStorm checkpoint with the released names."""
    torch.save(storm_weights(json.loads(STORM.read_text())["shapes"]), path)
    return path

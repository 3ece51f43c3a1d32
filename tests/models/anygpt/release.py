"""A complete AnyGPT checkpoint folder at small sizes: the released file names, keys and tokens.

The language model is that of `models.mio.release`: after any prompt it writes one image, one
speech, words, and the end.
"""

from __future__ import annotations

from pathlib import Path

from models.anygpt.test_soundstorm import write_storm
from models.mio.release import (
    IMAGE_CODES,
    WORDS,
    broken_chain,
    image_codes,
    write_codec,
    write_image_parts,
    write_language,
    write_tokenizer,
)

from mio_eval.compat import import_torchvision

SPEECH_STEPS = 12
SPECIALS = ("[Human]", "[MMGPT]", "<eoh>", "<eos>", "<-Res->", "<-Ins->")
MARKERS = ("<soim>", "<eoim>", "<sosp>", "<eosp>", "<somu>", "<eomu>")


def speech_codes() -> list[int]:
    """Codes of the speech that the model writes."""
    return [(29 * n + 7) % 1024 for n in range(SPEECH_STEPS)]


def written() -> list[str]:
    """The tokens that the model writes after any prompt, up to the end."""
    image = [f"<👀{code}>" for code in image_codes()]
    speech = [f"<🗣️{code}>" for code in speech_codes()]
    words = [f"▁{word}" for word in dict.fromkeys(WORDS)]
    return ["<soim>", *image, "<eoim>", "<sosp>", *speech, "<eosp>", *words, "<eos>"]


def write_release(folder: Path, *, broken: str = "") -> Path:
    """Write the folder. `broken` makes the model write something malformed."""
    import_torchvision()  # transformers imports it where it is installed
    folder.mkdir(parents=True)
    media = [f"<👀{n}>" for n in range(IMAGE_CODES)]
    media += [f"<🗣️{n}>" for n in range(1024)] + [f"<🎶{n}>" for n in range(8)]
    tokens = write_tokenizer(folder, ("<unk>", "<s>", "</s>"), (*SPECIALS, *MARKERS, *media))
    write_language(folder, tokens, broken_chain(written(), broken, "<eosp>"))
    write_image_parts(folder / "seed-tokenizer-2", folder / "stable-diffusion-2-1-unclip")
    write_codec(folder / "speechtokenizer", "speech_tokenizer_snake", "ckpt.dev")
    (folder / "soundstorm").mkdir()
    write_storm(folder / "soundstorm" / "speechtokenizer_soundstorm_mls.pt")
    return folder

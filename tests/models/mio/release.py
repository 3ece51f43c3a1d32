"""A complete MIO checkpoint folder at small sizes: the released file names, keys and tokens.

After any prompt its language model writes one whole image, then one whole speech, then words, then
the end. So every task gets an output of the kind it asked for.
"""

from __future__ import annotations

from pathlib import Path

from models.token_llm import release
from models.token_llm.release import IMAGE_CODES, image_codes, words

from mio_eval.compat import import_torchvision

SPECIALS = ("[SPCH]", "</spch>", "[IMG]", "<spch>", "</image>", "<image>")


def speech_codes() -> list[list[int]]:
    """Codes of the speech that the model writes, four levels."""
    return [release.speech_codes(level) for level in range(4)]


def written() -> list[str]:
    """The tokens that the model writes after any prompt, up to the end of the turn."""
    image = [f"<img{code}>" for code in image_codes()]
    speech = [
        f"<spch{code + 1024 * n}>" for n, level in enumerate(speech_codes()) for code in level
    ]
    return ["<image>", *image, "</image>", "<spch>", *speech, "</spch>", *words(), "<|im_end|>"]


def write_release(folder: Path, *, broken: str = "") -> Path:
    """Write the folder. `broken` makes the model write something malformed."""
    import_torchvision()  # transformers imports it where it is installed
    folder.mkdir(parents=True)
    base = ("<unk>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>")
    media = [f"<img{n}>" for n in range(IMAGE_CODES)] + [f"<spch{n}>" for n in range(4096)]
    tokens = release.write_tokenizer(folder, base, (*SPECIALS, *media))
    release.write_language(folder, tokens, release.broken_chain(written(), broken, "</spch>"))
    release.write_image_parts(folder)
    release.write_codec(folder / "SpeechTokenizer", "speech_tokenizer")
    return folder

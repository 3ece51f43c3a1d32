"""MIO's prompts: ChatML for the Instruct model, plain text for the Base model.

MIO paper, App. B (Base) and App. C (Instruct); release, `tokenization_mio.py`. What stands in the
user's turn comes from the task's prompt style (`mio-instruct`, `mio-base`).
"""

from __future__ import annotations

from ...types import Modality

STANDARD = (
    "You are MIO, an AI assistant capable of understanding and generating images, text, videos, "
    "and speech, selecting the appropriate modality according to the context."
)
VOICE = (
    "You are MIO, an AI assistant capable of understanding images, text, videos, and speech, and "
    "generating speech. Please respond to the user with speech only, starting with <spch> and "
    "ending with </spch>."
)
BOS = "<|startoftext|>"
TURN_END = "<|im_end|>"
ASSISTANT = "<|im_start|>assistant\n"
SYSTEMS = ("auto", "std", "voice", "none")
INDENT = " " * 8  # LIME's template is an indented string, so its lines start with 8 spaces


def system_prompt(choice: str, want: Modality) -> str:
    """Return the system prompt: the paper's voice prompt for speech, else its standard one."""
    if choice == "none":
        return ""
    voice = choice == "voice" or (choice == "auto" and want == "audio")
    return VOICE if voice else STANDARD


def chat(user: str, system: str, *, indented: bool = False) -> str:
    """Write one user's turn in ChatML, up to where the assistant starts."""
    turns = [("system", system)] if system else []
    turns.append(("user", user))
    lines = [f"<|im_start|>{role}\n{text}{TURN_END}" for role, text in turns]
    text = "\n".join([*lines, ASSISTANT])
    if indented:
        text = text.replace("\n", "\n" + INDENT)
    return BOS + text


def base(text: str) -> str:
    """Write a prompt of the Base model: BOS before it where the text has none."""
    return text if text.startswith(BOS) else BOS + text


def answer(text: str) -> str:
    """Return an answer in text as the release does: markers dropped, stripped."""
    return text.split(TURN_END, maxsplit=1)[0].replace("<unk>", "").strip()

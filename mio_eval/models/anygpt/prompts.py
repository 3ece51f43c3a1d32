"""AnyGPT's prompts: `[Human]: …<eoh> [MMGPT]:`, where MMGPT is the name it was trained under.

Facts of the release (OpenMOSS/AnyGPT: `m_utils/prompter.py`, `m_utils/conversation.py`). The Base
model is told what to do by a sentence that the release draws at random from a pool for each kind of
input and output; here it is the pool's first, so that a run can be made again. What stands in a
prompt beside it comes from the task's prompt style (`anygpt-base`, `anygpt-chat`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...types import Modality

USER, MODEL, USER_END, END, CHAT_END = "[Human]", "[MMGPT]", "<eoh>", "<eos>", "<eom>"
SYSTEM = (
    "You are an AI assistant named MMGPT who can understand and generate multimodal content, "
    "including text, speech, images and audio."
)
# The first of `other2text_instructions` and of `text2other_instructions`.
TO_TEXT: Mapping[Modality, str] = {
    "image": "Describe the scene in this picture.",
    "audio": "Analyze the spoken words and transcribe them accurately.",
}
FROM_TEXT: Mapping[Modality, str] = {
    "image": "What image comes to mind from this text?",
    "audio": "Would you kindly read this text out loud so that I can hear it?",
}
DRAW = " Please generation an image."  # so spelt; a full stop goes before it where there is none
_SENTENCE_ENDS = (".", "!", "?")


def instruction_for(inputs: Sequence[Modality], want: Modality) -> str:
    """Return the Base model's instruction for a direction it was trained on, or nothing.

    Args:
        inputs: the modalities of a prompt's parts; text that is only white space left out.
        want: the output modality.
    """
    if want == "text":
        return TO_TEXT.get(inputs[0], "") if len(inputs) == 1 else ""
    return FROM_TEXT.get(want, "") if set(inputs) == {"text"} else ""


def base(content: str, instruction: str, want: Modality) -> str:
    """Write a prompt of the Base model.

    Without an instruction the content is the whole request, in the release's own form for that,
    which has other white space.
    """
    if not instruction:
        return f"{USER}: {content}{USER_END}{MODEL}: "
    said = content if want == "text" else f"This is input: {content}"
    return f"{USER}: {instruction} {said}{USER_END} {MODEL}:"


def chat(content: str) -> str:
    """Write one turn of the user's for the Chat model, up to where the answer starts."""
    content = content.strip()
    said = content.removesuffix(DRAW)
    if said and said != content and not said.endswith(_SENTENCE_ENDS):
        content = f"{said}.{DRAW}"
    return f"{SYSTEM}\n{USER}: {content}{USER_END}\n{MODEL}:"


def answer(text: str) -> str:
    """Return an answer in text: what stands before the first end marker, stripped."""
    for end in (END, CHAT_END):
        text = text.split(end, maxsplit=1)[0]
    return text.strip()

"""Records the strings that AnyGPT's released code writes, for `tests/models/anygpt/`.

Run it beside a checkout of github.com/OpenMOSS/AnyGPT, in the folder tests/:

    python -m reference.anygpt_prompts --reference AnyGPT --out golden/anygpt/prompts.json

Prompts are those of its `Prompter` and its conversation template `MMGPT`; the instruction, which it
draws at random from a pool, is made the pool's first. IMAGE, SPEECH and the like stand for what a
sample holds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

CAPTIONS = ("a red bus", "A red bus.", "A red bus!", "Is it a bus?")
QUESTION = "What color is the bus?"
CODES = [1, 32, 23, 0, 1023]
MUSIC = [[1, 32, 23], [0, 2047, 5], [7, 7, 7], [2047, 0, 1]]


def main() -> None:
    """Run the reference and write its strings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    sys.path.insert(0, str(options.reference / "anygpt" / "src"))
    from m_utils import anything2token, conversation, prompter

    random.choice = lambda pool: pool[0]
    ask = prompter.Prompter()

    def chat(task: str, text: str, **media: list[str]) -> str:
        turn = conversation.get_conv_template("MMGPT")
        said = ask.generate_insturction_prompt(task, text, **media).strip()
        turn.append_message(turn.roles[0], said)
        return turn.get_prompt()

    found = {
        "base": {
            "image to text": ask.generate_prompt_input("IMAGE", "image"),
            "speech to text": ask.generate_prompt_input("SPEECH", "speech"),
            "text to image": ask.generate_prompt_input("a red bus", "text", "image"),
            "text to speech": ask.generate_prompt_input("Hello there.", "text", "speech"),
            "own words": ask.generate_prompt_input(
                f"IMAGE {QUESTION}", "image", cutomed_instructions=True
            ),
        },
        "chat": {
            "caption": chat("Image Captioning", "", image_list=["IMAGE"]),
            "question": chat("Image QA", QUESTION, image_list=["IMAGE"]),
            "text to image": {c: chat("Text-to-Image Generation", c) for c in CAPTIONS},
            "own words": chat("customized", "IMAGE Why?\n"),
        },
        "task_prompts": {
            name: prompter.task_prompts[name] for name in ("Text-to-Speech", "Speech-to-Text")
        },
        "tokens": {
            "image": anything2token.modality_tokens_to_string([*CODES, 8191], "image"),
            "speech": anything2token.modality_tokens_to_string(CODES, "speech"),
            "music": anything2token.modality_tokens_to_string(MUSIC, "music"),
        },
    }
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()

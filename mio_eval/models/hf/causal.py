"""Kind `causal`: any causal language model of transformers, text to text, with likelihoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...errors import UsageError
from ...types import Capability, Json, Modality, Request, Text
from .family import Checkpoint, LoadOptions
from .inputs import Prompt
from .likelihood import Scorer
from .loading import load_model, load_processor, need
from .text import TextFamily

CHAT_ARGUMENTS = {
    "chat_template": "on, off or auto (auto: a chat template where the model has one; "
    "kind causal: off, as in lm-eval)",
    "system_prompt": "system message of the chat template; @FILE reads it from a file",
}


class Causal(Scorer, TextFamily):
    """A language model. Prompts are text as it is, unless chat_template=on."""

    kind = "causal"
    strips = False
    arguments: ClassVar[Mapping[str, str]] = CHAT_ARGUMENTS

    def __init__(self, checkpoint: Checkpoint, options: LoadOptions) -> None:
        super().__init__(checkpoint, options)
        self._chat = chat_mode(options) == "on"
        self._system = system_prompt(options)
        if self._system and not self._chat:
            raise UsageError("model hf: system_prompt needs chat_template=on with kind causal")

    @classmethod
    def matches(cls, checkpoint: Checkpoint) -> bool:
        if checkpoint.diffusers:
            return False
        if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in checkpoint.architectures):
            return True
        auto = need("transformers.models.auto.modeling_auto", "kind causal")
        return checkpoint.model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability(frozenset({"text"}), "text")})

    @property
    def scores_after(self) -> frozenset[Modality]:
        return frozenset({"text"})

    def identity(self) -> dict[str, Json]:
        extra: dict[str, Json] = {"chat_template": "on" if self._chat else "off"}
        if self._system:
            extra["system_prompt"] = self._system
        return {**super().identity(), **extra}

    def load(self) -> None:
        transformers = need("transformers", "kind causal")
        self.tokenizer = self.load_tokenizer()
        give_padding(self.tokenizer)
        if self._chat and not self.tokenizer.chat_template:
            raise UsageError(
                f"model hf: chat_template=on, but {self.checkpoint.pretrained} has no chat template"
            )
        self.model = load_model(transformers.AutoModelForCausalLM, self.checkpoint, self.options)
        self.overrule()

    def load_tokenizer(self) -> Any:
        """Load the tokenizer. Raises UsageError."""
        transformers = need("transformers", "kind causal")
        return load_processor(transformers.AutoTokenizer, self.checkpoint, self.options)

    def read(self, request: Request) -> Prompt:
        text = "".join(part.text for part in request.parts if isinstance(part, Text))
        chat = self.chat_turn(text)
        return Prompt(text if chat is None else chat)

    def chat_turn(self, context: str) -> str | None:
        if not self._chat:
            return None
        messages = [{"role": "user", "content": context}]
        if self._system:
            messages.insert(0, {"role": "system", "content": self._system})
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return text

    def encode(self, prompts: Sequence[Prompt], side: str = "left") -> dict[str, Any]:
        rows = {"input_ids": [self._ids(prompt.text) for prompt in prompts]}
        inputs = self.tokenizer.pad(rows, padding=True, padding_side=side, return_tensors="pt")
        return self.to_device(inputs)


def chat_mode(options: LoadOptions) -> str:
    """Read `chat_template=`. Raises UsageError."""
    mode = options.extra.get("chat_template", "auto")
    if mode not in ("on", "off", "auto"):
        raise UsageError(f"model hf: chat_template={mode}: expected on, off or auto")
    return mode


def system_prompt(options: LoadOptions) -> str:
    """Read `system_prompt=`: the text, or the file that @ names. Raises UsageError."""
    given = options.extra.get("system_prompt", "")
    if not given.startswith("@"):
        return given
    from pathlib import Path

    try:
        return Path(given[1:]).expanduser().read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"model hf: cannot read system_prompt={given}: {error}") from error


def give_padding(tokenizer: Any) -> None:
    """Let a tokenizer without a padding token pad with the token that ends texts (masked out)."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token


def bos_once(tokenizer: Any, texts: Sequence[str]) -> dict[str, bool]:
    """Return what keeps a tokenizer from a second BOS before text that starts with one."""
    bos = tokenizer.bos_token
    return {"add_special_tokens": False} if bos and texts[0].startswith(bos) else {}

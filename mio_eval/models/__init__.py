"""Model backends, found by name. A backend's module is imported only when it is used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown
from ..plugins import entry_points
from .anygpt.arguments import ARGUMENTS as ANYGPT_ARGUMENTS
from .mio.arguments import ARGUMENTS as MIO_ARGUMENTS

if TYPE_CHECKING:
    from .base import Backend

ENTRY_POINTS = "mio_eval.models"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A backend in the list of models: where it is, what it can do, which arguments it takes."""

    name: str
    target: str
    summary: str
    can: tuple[str, ...] = ()
    arguments: Mapping[str, str] | None = None
    checks_arguments: bool = False
    """True for a backend that knows which arguments it takes only when it sees the model."""


# Kinds take arguments of their own, which the backend checks once the kind is known.
HF_ARGUMENTS = {
    "pretrained": "a folder, or a hub id",
    "revision": "branch, tag or commit of a hub model (recorded as its commit)",
    "kind": "vlm, omni, speech-llm, causal, asr, ctc, tts, t2i, t2i-tokens (default: the config's)",
    "dtype": "auto (the config's, the default), float32, float16, bfloat16",
    "device": "cpu, cuda, cuda:1, mps (default: cuda where there is one)",
    "device_map": "auto, balanced, sequential: spread over devices with accelerate",
    "attn": "eager, sdpa, flash_attention_2 … (default: transformers' choice)",
    "adapter": "a PEFT adapter: a folder, or a hub id",
    "quantization": "bnb-8bit, bnb-4bit, quanto-int8, quanto-int4, quanto-float8, torchao-int8 …",
    "trust_remote_code": "true runs code that comes with the checkpoint (default false; recorded)",
    "batch_size": "requests a forward pass (default: --batch-size)",
    "chat_template": "vlm, omni, speech-llm, causal: on, off or auto (causal: auto is off)",
    "system_prompt": "system message of the chat template; @FILE reads it from a file",
    "max_pixels": "vlm, omni: scale images and frames down to this many pixels",
}

OPENAI_ARGUMENTS = {
    "model": "the model's name, as the server lists it at /models",
    "base_url": "the API's address, up to /v1 (default: https://api.openai.com/v1)",
    "api": "chat, transcriptions, speech, images, completions (default: by the task's output)",
    "key_env": "the environment variable that holds the API key (default: OPENAI_API_KEY)",
    "voice": "the voice of spoken answers",
    "size": "the size of generated images, such as 1024x1024 (default: the server's)",
    "language": "the language of transcriptions, such as en (default: the server guesses)",
    "detail": "detail of images in chat: low, high or auto (default: the server's)",
    "media": "how media are sent: data-url, or url (file:// addresses the server can open)",
    "video": "how videos are sent: frames, or file (video_url, which vLLM and SGLang take)",
    "frames": "frames of a video, when the task names no policy (default: uniform:8)",
    "temperature": "instead of the task's; 'server' sends none",
    "seed": "off: send no seed, for servers that refuse one (default: on)",
    "max_tokens": "instead of the task's max_new_tokens; 'server' sends none",
    "reasoning_effort": "sent as it is, for models that reason",
    "extensions": "on: send repetition_penalty too, which vLLM and SGLang take (default: off)",
    "logprobs": "on: record the log-probabilities of the answer's tokens (default: off)",
    "image_format": "b64_json, or omit to name no response format (default: by the model)",
    "max_concurrency": "requests under way at once, at most (default: 16)",
    "timeout": "seconds for one try of a request (default: 180)",
    "retries": "tries after the first (default: 6)",
    "deadline": "seconds for a request with all its tries (default: 540)",
    "price_in": "price of a million input tokens, for the run's cost",
    "price_out": "price of a million output tokens, for the run's cost",
    "check": "off: do not ask the server for its models at the start (default: on)",
}

MODELS = {
    entry.name: entry
    for entry in (
        ModelEntry(
            "starter",
            "mio_eval.models.starter.backend:Starter",
            "small pretrained models that come inside packages; the default",
            (
                "audio → text: Whisper tiny.en (English)",
                "image, video → text: EfficientNet-Lite0's label as a caption, or as an answer",
                "image + audio, text → text: lettered options, by shared words",
                "text → text: SmolLM2-135M-Instruct, log-likelihoods too",
                "text → audio: hibari-tts, voice heart (English)",
                "text → image: a DCGAN's face, which ignores the words",
            ),
            {"threads": "CPU threads for one sample (default 1: more gain little on small models)"},
        ),
        ModelEntry(
            "hf",
            "mio_eval.models.hf.backend:Hf",
            "any transformers or diffusers model, by the kind its config names",
            (
                "vlm: text + image + video → text (LLaVA, BLIP-2, Idefics, Kosmos-2, Qwen-VL …)",
                "omni: text + image + audio + video → text, audio (Qwen2.5-Omni)",
                "speech-llm: text + audio → text (Qwen2-Audio, Granite Speech)",
                "causal: text → text, log-likelihoods (any causal language model)",
                "asr, ctc: audio → text (Whisper, wav2vec 2.0 …)",
                "tts: text → audio (SpeechT5, VITS, Bark …)",
                "t2i, t2i-tokens: text → image (diffusers pipelines, Janus, Emu3 …)",
            ),
            HF_ARGUMENTS,
            checks_arguments=True,
        ),
        ModelEntry(
            "openai",
            "mio_eval.models.openai.backend:create",
            "any server that speaks OpenAI's API (vLLM, SGLang, llama.cpp, hosted models)",
            (
                "text + image + audio + video → text, audio: chat",
                "audio → text: transcriptions",
                "text → audio: speech",
                "text → image: images",
                "text → text, log-likelihoods: completions",
            ),
            OPENAI_ARGUMENTS,
        ),
        ModelEntry(
            "mio",
            "mio_eval.models.mio.backend:Mio",
            "MIO-7B as released, the paper's own system",
            (
                "text + image + audio + video → text, image, audio",
                "log-likelihoods of text after all of these",
            ),
            MIO_ARGUMENTS,
        ),
        ModelEntry(
            "anygpt",
            "mio_eval.models.anygpt.backend:AnyGpt",
            "AnyGPT-7B as released, Base or Chat",
            (
                "text + image + audio → text, image, audio (text + audio → audio: in that voice)",
                "log-likelihoods of text after all of these",
            ),
            ANYGPT_ARGUMENTS,
        ),
        ModelEntry(
            "predictions",
            "mio_eval.models.predictions:Predictions",
            "outputs made elsewhere, from a JSONL file",
            ("any → any: whatever the file holds",),
            {
                "path": 'the predictions file, one {"id": …, "text": …} a line',
                "name": "what to call the model that made them (default: the file's name)",
                "style": "the prompt style the predictions were made with (recorded only)",
            },
        ),
    )
}


def model_names() -> list[str]:
    """Return the names of all backends, plug-ins included."""
    return sorted({*MODELS, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def _import(target: str) -> Any:
    """Import `module:Class`, a user's own backend, as python would from the current folder."""
    module, _, attribute = target.partition(":")
    if "" not in sys.path and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"model {target!r}: {error}; give module:Class of a Backend that can be imported"
        ) from error


def create_model(name: str, arguments: Mapping[str, str]) -> Backend:
    """Build the backend called `name`, or the class that `module:Class` names.

    Raises UsageError for an unknown name or argument.
    """
    if name in MODELS:
        entry = MODELS[name]
        for argument in arguments if not entry.checks_arguments else ():
            if argument not in (entry.arguments or {}):
                raise unknown(f"argument of model {name}", argument, entry.arguments or {})
        module, _, attribute = entry.target.partition(":")
        factory = getattr(import_module(module), attribute)
    elif ":" in name:
        factory = _import(name)
    else:
        found = list(entry_points(group=ENTRY_POINTS, name=name))
        if not found:
            raise unknown("model", name, model_names())
        factory = found[0].load()
    try:
        backend: Backend = factory(**arguments)
    except TypeError as error:
        raise UsageError(f"model {name}: {error}; see mio-eval models show {name}") from error
    return backend

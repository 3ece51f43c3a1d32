"""Judge models of transformers: which files, loaded exactly, with a name for signatures.

A checkpoint of the hub is named by the commit that its files come from, a local folder by the
hash of its files. Everything runs in float32 without TF32 unless asked otherwise.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import UsageError, first_line
from .loading import Use, cannot_load, is_about_the_model

DTYPES = ("float32", "float16", "bfloat16")
HUB_TIMEOUT = 10.0  # seconds until the hub must answer
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
UNTRAINED = (
    "masked_spec_embed",  # used in training only; published checkpoints leave it out
    "encoder.pooler.dense.weight",  # of encoder-decoder models, whose decoders never read it
    "encoder.pooler.dense.bias",
)
"""Ends of the names of weights that a checkpoint may lack."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """Where a model lies: `from_pretrained(source, **arguments)`, and its name in signatures."""

    source: str
    identity: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def find_checkpoint(name: str, use: Use) -> Checkpoint:
    """Find a checkpoint of transformers.

    Args:
        name: a folder, or `OWNER/NAME` or `OWNER/NAME@REVISION` on the Hugging Face hub.
        use: for messages.

    The hub is asked once for the commit, without retries. Where it cannot be reached (or
    HF_HUB_OFFLINE is set), what the cache holds of the revision is used, and nothing is fetched.

    Raises:
        UsageError: no such folder or model, or the hub is out of reach and the cache lacks it.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Checkpoint(str(folder), slug(f"hf/local@sha256-{digest(model_files(folder))}"))
    hub_id, _, revision = name.partition("@")
    if not _HUB_ID.fullmatch(hub_id):
        raise UsageError(
            f"{use.role}: no folder {name!r}, and it is no hub id; expected hf/OWNER/NAME, "
            "hf/OWNER/NAME@REVISION or hf/FOLDER"
        )
    commit, offline = _commit(hub_id, revision, use)
    arguments: dict[str, Any] = {"revision": commit}
    if offline:
        arguments["local_files_only"] = True
    return Checkpoint(hub_id, slug(f"hf/{hub_id}@{commit}"), MappingProxyType(arguments))


def _commit(hub_id: str, revision: str, use: Use) -> tuple[str, bool]:
    """Return the commit of a revision, and whether it is only known from the cache."""
    from huggingface_hub import HfApi, errors, try_to_load_from_cache

    try:
        sha = HfApi().model_info(hub_id, revision=revision or None, timeout=HUB_TIMEOUT).sha
        return str(sha), False
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise cannot_load(
            use, hub_id, error, "check the name and the revision, log in with `hf auth login`"
        ) from error
    except Exception as error:
        if not is_about_the_model(error):  # no network, offline mode, a proxy's error
            raise
        cached = try_to_load_from_cache(hub_id, "config.json", revision=revision or "main")
        if isinstance(cached, str):
            return Path(cached).parent.name, True
        raise cannot_load(use, hub_id, error) from error


def load_weights(auto_class: Any, checkpoint: Checkpoint, device: str, dtype: str) -> Any:
    """Load a model of transformers, ready for inference. Raises UsageError as `load_complete`."""
    model = load_complete(auto_class, checkpoint.source, dtype=dtype, **checkpoint.arguments)
    return model.eval().to(device)


def read_weights(path: Path, entry: str = "") -> dict[str, Any]:
    """Read named tensors that torch saved, on the CPU, without running what the file may hold.

    What a damaged file raises has almost any type: call it within `loading`.

    Args:
        path: of the file.
        entry: the name under which the file holds them; by default they are all it holds.

    Raises:
        ValueError: the file holds something else.
    """
    import torch

    state: Any = torch.load(path, map_location="cpu", weights_only=True)
    if entry and isinstance(state, Mapping):
        state = state.get(entry)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise ValueError("it does not hold named tensors" + (f" under {entry!r}" if entry else ""))
    return dict(state)


def load_complete(auto_class: Any, source: str, **arguments: Any) -> Any:
    """Return `auto_class.from_pretrained(source, **arguments)`, every weight from the checkpoint.

    transformers fills what is missing with random numbers and warns: a speech encoder without a
    trained head would transcribe noise, and be scored. Here that is an error.

    Raises:
        UsageError: weights are missing, or have another shape; it names the first three.
    """
    model, info = auto_class.from_pretrained(source, output_loading_info=True, **arguments)
    missing = sorted(str(key) for key in info["missing_keys"])
    wrong = [key for key in missing if not key.endswith(UNTRAINED)]
    wrong += sorted(str(key) for key in info.get("mismatched_keys") or ())
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UsageError(
            f"{source} holds no trained {type(model).__name__}: it lacks "
            f"{', '.join(wrong[:3])}{more}; name a model that was trained for this use"
        )
    return model


def check_device(device: str) -> None:
    """Refuse a torch device that is not there. Raises UsageError."""
    import torch

    try:
        kind = torch.device(device).type
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(f"device {device!r}: {first_line(error)[:200]}; use cpu") from error
    if kind == "meta":
        raise UsageError("device 'meta' computes nothing; use cpu or cuda")


@contextmanager
def exact_inference() -> Iterator[None]:
    """Run without gradients and without TF32, which would round inputs to 10 bits."""
    import torch

    switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        with torch.inference_mode():
            yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


def model_files(folder: Path) -> list[Path]:
    """List a model folder's files that decide its output: weights, configuration, vocabulary."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    weights = ".safetensors" if any(f.suffix == ".safetensors" for f in files) else ".bin"
    return [file for file in files if file.suffix in (weights, ".json", ".txt", ".model")]


def digest(files: Sequence[Path]) -> str:
    """Return 16 hex digits of the sha256 of files: of the content, and of the names if several."""
    total = hashlib.sha256()
    for file in files:
        if len(files) > 1:
            total.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()[:16]


def slug(text: str) -> str:
    """Make a signature's value: lower case, without spaces, `|` and `:`."""
    return re.sub(r"[^a-z0-9._/@+-]+", "-", text.lower())

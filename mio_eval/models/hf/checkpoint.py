"""Finds a checkpoint and names its content, without reading a weight more than needed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import UsageError, first_line
from ...types import Json
from .family import Checkpoint

CONFIG, PIPELINE, ADAPTER = "config.json", "model_index.json", "adapter_config.json"

# A file up to this size is hashed whole; of a larger one the first block and every stride's.
_WHOLE = 64 << 20
_BLOCK, _STRIDE = 64 << 10, 4 << 20
_IGNORED = {".md", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".log", ".lock"}


def read_checkpoint(pretrained: str, revision: str | None) -> Checkpoint:
    """Read a checkpoint's config from a folder or from the hub (or its cache).

    The revision of a hub model comes back as the commit it stands for, so that what is loaded
    later is what was looked at. Raises UsageError when there is none.
    """
    if not pretrained:
        raise UsageError(
            "model hf needs pretrained=…: a folder, or a hub id such as Qwen/Qwen2.5-VL-3B-Instruct"
        )
    folder = Path(pretrained).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise UsageError(
                f"model hf: revision={revision} belongs to a hub id, and {pretrained} is a folder"
            )
        return _read_folder(folder)
    if folder.is_absolute() or pretrained.startswith((".", "~")) or pretrained.count("/") > 1:
        raise UsageError(f"model hf: pretrained={pretrained}: there is no such folder")
    return _read_hub(pretrained, revision)


def _read_folder(folder: Path) -> Checkpoint:
    for name in (CONFIG, PIPELINE):
        if (folder / name).is_file():
            return Checkpoint(str(folder), None, _parse(folder / name), name == PIPELINE)
    if (folder / ADAPTER).is_file():
        base = _parse(folder / ADAPTER).get("base_model_name_or_path") or "BASE"
        raise UsageError(
            f"{folder} holds an adapter, not a model: pretrained={base},adapter={folder}"
        )
    raise UsageError(
        f"model hf: {folder} has neither {CONFIG} (transformers) nor {PIPELINE} (diffusers)"
    )


def _read_hub(name: str, revision: str | None) -> Checkpoint:
    path = hub_file(name, CONFIG, revision)
    diffusers = path is None
    path = path or hub_file(name, PIPELINE, revision)
    if path is None:
        raise UsageError(
            f"model hf: {name} has neither {CONFIG} (transformers) nor {PIPELINE} (diffusers); "
            "an adapter is given as pretrained=BASE,adapter=…"
        )
    # …/snapshots/<commit>/config.json
    return Checkpoint(name, path.parent.name, _parse(path), diffusers)


def hub_file(name: str, file: str, revision: str | None) -> Path | None:
    """Fetch one small file of a hub model; None when the model has no such file.

    Raises UsageError for a model that cannot be had: unknown, gated, offline.
    """
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise UsageError("models of the hub need: pip install 'mio-eval[hf]'") from error
    # Not its retries: how they end is said below.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    at = f"{name}@{revision}" if revision else name
    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except errors.GatedRepoError as error:
        raise UsageError(
            f"model hf: {name} is gated: accept its terms at https://huggingface.co/{name}, "
            "then sign in (hf auth login) or set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"model hf: {name} is neither a folder here nor a model of the hub "
            "(a private one needs HF_TOKEN)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(f"model hf: the hub's {name} has no revision {revision!r}") from error
    except errors.LocalEntryNotFoundError as error:
        raise UsageError(
            f"model hf: {at} is no folder here, not in the hub's cache, and the hub cannot be "
            "reached; give a folder, or fetch it first: hf download " + name
        ) from error
    except errors.EntryNotFoundError:
        return None
    except errors.HFValidationError as error:
        raise UsageError(f"model hf: pretrained={name}: no folder, and no hub id") from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise UsageError(f"model hf: cannot fetch {at}: {first_line(error)}") from error


def _parse(path: Path) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"model hf: cannot read {path}: {first_line(error)}") from error
    if not isinstance(data, dict):
        raise UsageError(f"model hf: {path}: expected a JSON object")
    return data


def adapter_revision(adapter: str) -> str:
    """Return the content hash of an adapter's folder, or the commit of one on the hub."""
    folder = Path(adapter).expanduser()
    if folder.is_dir():
        if not (folder / ADAPTER).is_file():
            raise UsageError(f"model hf: adapter={adapter}: the folder has no {ADAPTER}")
        return content_hash(folder)
    path = hub_file(adapter, ADAPTER, None)
    if path is None:
        raise UsageError(f"model hf: adapter={adapter}: the hub's model has no {ADAPTER}")
    return path.parent.name


def short_name(pretrained: str) -> str:
    """Return a hub id as it is, of a folder its name: where it lies does not matter."""
    path = Path(pretrained).expanduser()
    return path.resolve().name if path.is_dir() else pretrained


def content_hash(folder: Path) -> str:
    """Return `sha256:…` over the names, sizes and contents of a model folder's files.

    Of files over 64 MiB the first 64 KiB (a safetensors header), the last, and 64 KiB of every
    4 MiB are hashed: two trainings of one architecture differ in nearly every block.
    """
    digest = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        size = path.stat().st_size
        line: list[Json] = [path.relative_to(folder).as_posix(), size, _hash_file(path, size)]
        digest.update(json.dumps(line).encode() + b"\n")
    return f"sha256:{digest.hexdigest()}"


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file() and path.suffix.lower() not in _IGNORED:
            yield path


def _hash_file(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= _WHOLE:
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
        for start in [*range(0, size, _STRIDE), size - _BLOCK]:
            file.seek(start)
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()

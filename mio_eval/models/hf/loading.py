"""Loading with transformers and friends: devices, dtypes, quantisation, adapters, plain errors.

Shared by all families. Every way in which a checkpoint cannot be had ends in a UsageError of one
or two lines. Needs torch and transformers, imported inside the functions.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from ...annotators.checkpoints import load_complete
from ...compat import import_torchvision
from ...errors import MioEvalError, UsageError, first_line, unknown
from ...types import Json
from ..base import OutOfMemory
from .checkpoint import adapter_revision
from .family import Checkpoint, LoadOptions

INSTALL = "pip install 'mio-eval[hf]'"
_WANT_TORCHVISION = ("transformers", "diffusers", "peft")
DTYPES = {
    "float32": "float32", "fp32": "float32", "float16": "float16", "fp16": "float16",
    "half": "float16", "bfloat16": "bfloat16", "bf16": "bfloat16", "float64": "float64",
}  # fmt: skip
# quantization=NAME: (package it needs, transformers config class, its arguments)
QUANTIZATIONS: dict[str, tuple[str, str, dict[str, Json]]] = {
    "bnb-8bit": ("bitsandbytes", "BitsAndBytesConfig", {"load_in_8bit": True}),
    "bnb-4bit": (
        "bitsandbytes",
        "BitsAndBytesConfig",
        {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    ),
    "quanto-int8": ("optimum.quanto", "QuantoConfig", {"weights": "int8"}),
    "quanto-int4": ("optimum.quanto", "QuantoConfig", {"weights": "int4"}),
    "quanto-float8": ("optimum.quanto", "QuantoConfig", {"weights": "float8"}),
    "torchao-int8": ("torchao", "TorchAoConfig", {"quant_type": "Int8WeightOnlyConfig"}),
    "torchao-int4": ("torchao", "TorchAoConfig", {"quant_type": "Int4WeightOnlyConfig"}),
    "hqq-4bit": ("hqq", "HqqConfig", {"nbits": 4, "group_size": 64}),
}


# Kinds of PEFT that choose layers' weights for each input, from outside (as prompt tuning does).
_AROUND_THE_MODEL = {"XLORA", "POLY"}


def need(module: str, purpose: str, install: str = INSTALL) -> Any:
    """Import a package. Raises UsageError that says what it is for and how to get it."""
    try:
        if module.startswith(_WANT_TORCHVISION):
            import_torchvision()
        return import_module(module)
    except ImportError as error:
        raise UsageError(f"model hf: {purpose} needs {module} ({error}): {install}") from error


def resolve_dtype(options: LoadOptions, checkpoint: Checkpoint) -> str:
    """Name the dtype the weights are loaded in; `auto` is the config's. Raises UsageError."""
    if options.dtype != "auto":
        if options.dtype not in DTYPES:
            raise unknown("dtype of model hf", options.dtype, ("auto", *DTYPES))
        return DTYPES[options.dtype]
    config = checkpoint.config
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        for key in ("dtype", "torch_dtype"):
            if isinstance(found := part.get(key), str):
                return DTYPES.get(found.removeprefix("torch."), found)
    return "auto"


def torch_dtype(options: LoadOptions, checkpoint: Checkpoint) -> Any:
    """Return the torch dtype to load in, or "auto" where only the weights know it."""
    name = resolve_dtype(options, checkpoint)
    return "auto" if name == "auto" else getattr(need("torch", "any model"), name, "auto")


def resolve_device(options: LoadOptions) -> str:
    """Choose the device: as asked, else CUDA, else the CPU. Raises UsageError when it is absent."""
    torch = need("torch", "any model")
    asked = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise UsageError(
            f"model hf: device={asked}: expected cpu, cuda, cuda:1, mps or xpu"
        ) from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise UsageError(
                f"model hf: device={asked}, but torch {torch.__version__} finds no CUDA device; "
                "leave device out to run on the CPU"
            )
        if (device.index or 0) >= count:
            raise UsageError(f"model hf: device={asked}, but there are {count} CUDA devices")
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("model hf: device=mps, but torch finds no Metal device")
    return asked


def quantization_config(options: LoadOptions) -> Any:
    """Build the configuration `quantization=` names, or None. Raises UsageError."""
    if not options.quantization:
        return None
    if options.quantization not in QUANTIZATIONS:
        raise unknown("quantization of model hf", options.quantization, QUANTIZATIONS)
    package, name, arguments = QUANTIZATIONS[options.quantization]
    distribution = package.replace(".", "-")
    need(package, f"quantization={options.quantization}", f"pip install {distribution}")
    arguments = dict(arguments)
    if package == "torchao":
        kind = getattr(import_module("torchao.quantization"), arguments["quant_type"])
        arguments["quant_type"] = kind()
    return getattr(need("transformers", "any model"), name)(**arguments)


def check_options(checkpoint: Checkpoint, options: LoadOptions) -> None:
    """Raise UsageError for what can be known to fail before any weight is read."""
    need("transformers", "a transformers model")
    resolve_dtype(options, checkpoint)
    if options.device and options.device_map:
        raise UsageError("model hf: give device or device_map, not both")
    if options.device_map:
        need("accelerate", "device_map")
    else:
        resolve_device(options)
    if options.adapter:
        need("peft", "adapter")
    quantization_config(options)


def hub_arguments(checkpoint: Checkpoint, options: LoadOptions) -> dict[str, Any]:
    """Return what every `from_pretrained` takes: the revision, and whether remote code may run."""
    arguments: dict[str, Any] = {"trust_remote_code": options.trust_remote_code}
    if checkpoint.revision is not None:
        arguments["revision"] = checkpoint.revision
    return arguments


@contextmanager
def plain_errors(checkpoint: Checkpoint, what: str = "") -> Iterator[None]:
    """Turn what loading raises into a UsageError of one or two lines."""
    name = checkpoint.pretrained
    try:
        yield
    except MioEvalError:
        raise
    # Loading runs code of many libraries, which raise anything; --debug shows where.
    except Exception as error:
        text = str(error)
        if is_out_of_memory(error):
            raise UsageError(
                f"model hf: {name} does not fit into the device's memory; use dtype=bfloat16, "
                "quantization=… or device_map=auto"
            ) from error
        if "trust_remote_code" in text or "custom code" in text:
            raise UsageError(
                f"model hf: {name} brings its own code, which is not run unasked; read it, "
                "then add trust_remote_code=true"
            ) from error
        if "does not recognize this architecture" in text or "Unrecognized configuration" in text:
            raise UsageError(
                f"model hf: transformers {metadata.version('transformers')} does not know the "
                f"architecture {checkpoint.model_type!r} of {name}; update transformers"
            ) from error
        if isinstance(error, ImportError):
            raise UsageError(
                f"model hf: {name} needs another package: {first_line(error)}"
            ) from error
        raise UsageError(f"model hf: cannot load {what or name}: {first_line(error)}") from error


def load_model(
    auto_class: Any, checkpoint: Checkpoint, options: LoadOptions, **arguments: Any
) -> Any:
    """Load weights with `auto_class.from_pretrained`, add the adapter, move, freeze.

    Raises UsageError when the checkpoint cannot be had, or lacks weights of the model.
    """
    check_options(checkpoint, options)
    quiet()
    if options.deterministic:
        forbid_variation()
    arguments = {
        **hub_arguments(checkpoint, options),
        "dtype": torch_dtype(options, checkpoint),
        **arguments,
    }
    device = ""
    if options.device_map:
        arguments["device_map"] = options.device_map
    else:
        device = resolve_device(options)
    if options.attn:
        arguments["attn_implementation"] = options.attn
    if (quantization := quantization_config(options)) is not None:
        arguments["quantization_config"] = quantization
        arguments.setdefault("device_map", device or "auto")
        device = ""
    with plain_errors(checkpoint):
        model = load_complete(auto_class, checkpoint.pretrained, **arguments)
        if device:
            model = model.to(device)
    if options.adapter:
        model = add_adapter(model, checkpoint, options)
    return model.eval()


def add_adapter(model: Any, checkpoint: Checkpoint, options: LoadOptions) -> Any:
    """Put a PEFT adapter on a model. Raises UsageError when it does not fit, or fits in part."""
    peft = need("peft", "adapter")
    what = f"adapter {options.adapter} onto {checkpoint.pretrained}"
    with plain_errors(checkpoint, what), warnings.catch_warnings():
        # Layers without weights in the file would stay as they are made: without any effect.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        folder = Path(options.adapter).expanduser()
        # Of the hub, the commit that the identity names.
        commit = None if folder.is_dir() else adapter_revision(options.adapter)
        adapted = peft.PeftModel.from_pretrained(
            model, str(folder) if folder.is_dir() else options.adapter, revision=commit
        )
    config = adapted.active_peft_config
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    activated = getattr(config, "alora_invocation_tokens", None)
    if config.is_prompt_learning or activated or kind in _AROUND_THE_MODEL:
        raise UsageError(
            f"model hf: adapter={options.adapter} is a {kind} adapter, which works around the "
            "model, not inside its layers, and would have no effect here; give one of LoRA's kind"
        )
    # The base model's own `generate` and `forward`, now with the adapter's layers inside.
    return adapted.get_base_model()


def load_processor(
    auto_class: Any, checkpoint: Checkpoint, options: LoadOptions, **arguments: Any
) -> Any:
    """Load a processor, tokenizer or feature extractor. Raises UsageError."""
    quiet()
    with plain_errors(checkpoint, f"the processor of {checkpoint.pretrained}"):
        return auto_class.from_pretrained(
            checkpoint.pretrained, **hub_arguments(checkpoint, options), **arguments
        )


def device_of(model: Any) -> Any:
    """Return the device that takes a model's inputs."""
    return getattr(model, "device", None) or next(model.parameters()).device


@cache
def quiet() -> None:
    """Keep transformers' warnings and bars off the screen; what matters is an error here."""
    logging = need("transformers", "a transformers model").utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def forbid_variation() -> None:
    """Make torch refuse kernels whose result differs between runs, and round as float32 does."""
    torch = need("torch", "any model")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch says that memory ran out, on any device."""
    torch = need("torch", "any model")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )


@contextmanager
def memory_guard() -> Iterator[None]:
    """Turn running out of memory into OutOfMemory, with the caches emptied."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        torch = need("torch", "any model")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(first_line(error)) from error


def versions(*names: str) -> dict[str, str]:
    """Return the installed versions of packages that may change an answer."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def free(*holders: Callable[[], None]) -> None:
    """Let go of models, then of the device's memory cache."""
    import gc

    for holder in holders:
        holder()
    gc.collect()
    torch = need("torch", "any model")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def flag(name: str, value: str) -> bool:
    """Read `true` or `false`. Raises UsageError."""
    given = value.strip().lower()
    if given in ("true", "1", "yes", "on"):
        return True
    if given in ("false", "0", "no", "off", ""):
        return False
    raise UsageError(f"model hf: {name}={value}: expected true or false")


def number(name: str, extra: Mapping[str, str], default: int | None = None) -> int | None:
    """Read a positive whole number among a family's arguments. Raises UsageError."""
    if name not in extra:
        return default
    if not extra[name].isdecimal() or int(extra[name]) < 1:
        raise UsageError(f"model hf: {name}={extra[name]}: expected a whole number from 1 up")
    return int(extra[name])

"""The `hf` backend: finds out what a checkpoint is, and hands it to the family that runs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import UsageError, unknown
from ...types import Capability, Json, Modality, Request, Response
from ..base import Backend, ModelIdentity
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from .checkpoint import adapter_revision, content_hash, read_checkpoint, short_name
from .families import choose_family
from .family import Checkpoint, Family, LoadOptions, ScoresText
from .loading import INSTALL, QUANTIZATIONS, check_options, flag, resolve_dtype, versions

LOAD_ARGUMENTS = ("dtype", "device", "device_map", "attn", "adapter", "quantization")
_COMMON = ("pretrained", "revision", "kind", "batch_size", "trust_remote_code", *LOAD_ARGUMENTS)


class Hf(Backend):
    """A transformers or diffusers checkpoint. Cheap until `load`."""

    name = "hf"

    def __init__(self, pretrained: str = "", **arguments: str) -> None:
        if find_spec("transformers") is None and find_spec("diffusers") is None:
            raise UsageError(f"model hf needs transformers or diffusers: {INSTALL}")
        take = dict(arguments)
        revision, kind = take.pop("revision", None), take.pop("kind", "")
        wished = take.pop("batch_size", "")
        if wished and not (wished.isdecimal() and int(wished) >= 1):
            raise UsageError(f"model hf: batch_size={wished}: expected a whole number from 1 up")
        self.batch_size = int(wished) if wished else None
        trust = flag("trust_remote_code", take.pop("trust_remote_code", ""))
        given: dict[str, Any] = {n: take.pop(n) for n in LOAD_ARGUMENTS if n in take}
        options = replace(LoadOptions(trust_remote_code=trust), **given)
        checkpoint = read_checkpoint(pretrained, revision)
        family = choose_family(checkpoint, kind)
        for name in take:
            if name not in family.arguments:
                raise unknown(
                    f"argument of model hf (kind {family.kind})",
                    name,
                    ({*_COMMON, *family.arguments}),
                )
        self._family = family(checkpoint, replace(options, extra=take))
        check_options(checkpoint, options)
        self._loaded = False
        if isinstance(self._family, ScoresText) and self._family.scores_after:
            # Only then does the backend have the method: see SupportsLoglikelihood.
            self.loglikelihood = self._loglikelihood
            self.loglikelihood_inputs = self._family.scores_after

    @property
    def family(self) -> Family:
        """What runs the checkpoint."""
        return self._family

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        return self._family.capabilities

    def identity(self) -> ModelIdentity:
        checkpoint, options = self._family.checkpoint, self._family.options
        extra: dict[str, Json] = {
            "kind": self._family.kind,
            "architecture": checkpoint.architectures[0]
            if checkpoint.architectures
            else checkpoint.model_type,
            "versions": versions(*_packages(checkpoint, options)),
            **{
                name: value
                for name in ("attn", "quantization", "trust_remote_code")
                if (value := getattr(options, name))
            },
            **self._family.identity(),
        }
        if options.adapter:
            extra["adapter"] = {"name": short_name(options.adapter), "revision": self._adapter_hash}
        if self.deterministic:
            extra["deterministic"] = True
        return ModelIdentity(
            backend=self.name,
            name=short_name(checkpoint.pretrained),
            version=__version__,
            revision=self._revision,
            dtype=resolve_dtype(options, checkpoint),
            extra=extra,
        )

    @cached_property
    def _revision(self) -> str:
        checkpoint = self._family.checkpoint
        return checkpoint.revision or content_hash(Path(checkpoint.pretrained))

    @cached_property
    def _adapter_hash(self) -> str:
        return adapter_revision(self._family.options.adapter)

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        if not self._loaded:
            self._family.options = replace(self._family.options, deterministic=self.deterministic)
            self._family.say = self.say
            self._family.load()
            self._loaded = True

    def prepare(self, request: Request) -> object:
        return self._family.prepare(request)

    def cost(self, request: Request) -> float:
        cost = self._family.cost(request)
        return super().cost(request) if cost is None else cost

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        self.load((), "text")
        if self.batch_size is None:
            yield from self._family.generate(list(requests))
            return
        waiting = iter(requests)
        while batch := list(islice(waiting, self.batch_size)):
            yield from self._family.generate(batch)

    def _loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        assert isinstance(self._family, ScoresText)
        self.load((), "text")
        yield from self._family.loglikelihood(requests)

    def close(self) -> None:
        if self._loaded:
            self._family.close()
            self._loaded = False


def _packages(checkpoint: Checkpoint, options: LoadOptions) -> list[str]:
    """Name the libraries whose version may change an answer."""
    names = ["diffusers"] if checkpoint.diffusers else []
    names += ["transformers", "torch", "tokenizers"]
    names += ["peft"] if options.adapter else []
    if options.quantization:
        names.append(QUANTIZATIONS[options.quantization][0].replace(".", "-"))
    return names

"""Repairs for installed libraries that would not import as they are."""

from __future__ import annotations

import functools
import importlib
import logging
import re
from types import ModuleType
from typing import Any

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_MISSING = re.compile(r"operator torchvision::\w+ does not exist")
_log = logging.getLogger(__name__)
_libraries: list[Any] = []  # a declaration lives as long as its library object


@functools.cache
def import_torchvision() -> ModuleType | None:
    """Import torchvision, also where its compiled operators do not fit the installed torch.

    A torchvision wheel built for CUDA beside torch's CPU build cannot load its operators; its
    Python code then fails on the first one that it wants to describe ("operator torchvision::nms
    does not exist"). Declaring `nms` and `qnms` lets it import: models and transforms work, the
    two operators (box suppression) do not. open_clip, timm and torchmetrics import torchvision,
    so call this before them.

    Returns:
        The module; None when torchvision is not installed.

    Raises:
        Whatever the import raises, when it is not that error.
    """
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name == "torchvision":
            return None
        raise
    except RuntimeError as error:
        if not _MISSING.search(str(error)):
            raise
        _log.warning("torchvision's operators do not load with this torch: nms is unavailable")
    _declare_operators()
    return importlib.import_module("torchvision")


def _declare_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SCHEMA)
    _libraries.append(library)

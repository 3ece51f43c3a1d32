"""`--deterministic`: seeds and switches, set before a model is loaded."""

from __future__ import annotations

import os
import random
import sys

CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def make_deterministic(seed: int) -> None:
    """Seed python, numpy and torch, and let torch use deterministic algorithms only.

    torch is not imported for this: call again after the model is loaded. cuBLAS reads its variable
    when the first CUDA context is made, so that is set in any case.
    """
    os.environ.setdefault(*CUBLAS)
    random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    if hasattr(torch.backends, "cudnn"):
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False

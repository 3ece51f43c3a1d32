"""FID and KID of generated against real images, from feature vectors that a judge stored.

The arithmetic is in `frechet` and `influence`, the features come from `annotators.feature_judges`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import UsageError, first_line
from .base import Array, Option
from .frechet import FID_MINIMUM, Floats, frechet_distance, frechet_of_few, kid, moments
from .influence import frechet_influence, kernel_influence
from .sets import SetMetric, Vectors

OWN = "own"
_STAMP = "@sha256-"


class Fid(SetMetric):
    """Fréchet distance (Heusel et al., 2017) of generated images and the split's own real ones.

    Features of the Inception network of 2015-12-05. With `ref`, a file of precomputed statistics
    (`mu`, `sigma`) takes the place of the split's own images.
    """

    name, title, unit = "fid", "FID", ""
    higher_is_better = False
    range = (0.0, float("inf"))
    annotators = ("inception",)
    options: ClassVar[Mapping[str, Option]] = {
        "small": Option("refuse", ("refuse", "allow"), f"fewer than {FID_MINIMUM} images"),
        "ref": Option(OWN, (), "own: the split's images; or a .npz file with mu and sigma"),
    }

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.settings["ref"] != OWN:
            # The hash is kept with the path, so that the file cannot change unnoticed.
            self.settings["ref"] = _stamped(self.settings["ref"])

    def unavailable(self) -> str | None:
        try:
            self.reference()
        except UsageError as error:
            return str(error)
        return None

    def refusal(self, n: int) -> str | None:
        if n < FID_MINIMUM and self.settings["small"] == "refuse":
            return (
                f"{self.title} of {n} images: at least {FID_MINIMUM} are needed, below its value "
                f"depends on their number; take {self.name.replace('fid', 'kid')}, or ask for it "
                f"with --set {self.name}.small=allow"
            )
        return super().refusal(n)

    def pseudo_values(self, vectors: Vectors) -> Array:
        ours, theirs = vectors[:, 0], vectors[:, 1]
        reference = self.reference()
        n, width = ours.shape
        if n <= width and reference is None:
            return np.full(n, frechet_of_few(ours, theirs))
        value = frechet_distance(*moments(ours), *(reference or moments(theirs)))
        if n <= width:
            return np.full(n, value)
        influence = frechet_influence(ours, theirs if reference is None else reference)
        return value + influence

    def reference(self) -> tuple[Floats, Floats] | None:
        """Read the precomputed mean and covariance; None when there are none."""
        if self.settings["ref"] == OWN:
            return None
        path, _, stamp = self.settings["ref"].rpartition(_STAMP)
        if _hash(path) != stamp:
            raise UsageError(f"{path}: the file changed since it was chosen (sha256 {stamp}…)")
        try:
            with np.load(path, allow_pickle=False) as file:
                mean = np.asarray(file["mu"], dtype=np.float64)
                covariance = np.asarray(file["sigma"], dtype=np.float64)
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise UsageError(
                f"{self.name}.ref={path}: expected an .npz file with mu (d) and sigma (d, d) "
                f"({first_line(error)[:200]})"
            ) from error
        return mean, covariance

    def keys(self) -> list[tuple[str, str]]:
        reference = self.settings["ref"]
        shown = reference if reference == OWN else f"sha256-{reference.rpartition(_STAMP)[2]}"
        pairs = [super().keys()[0], ("ref", shown)]
        return [*pairs, ("small", "yes")] if self.settings["small"] == "allow" else pairs

    def no_interval(self, statistics: Array) -> str:
        if len(statistics) > 1 and np.ptp(statistics[:, 0]) == 0:
            return "a Fréchet distance of no more images than features has none"
        return ""

    def note(self, statistics: Array) -> str:
        return "below 2,048 images: not a comparable FID" if len(statistics) < FID_MINIMUM else ""


class FidEffnet(Fid):
    """Fréchet distance in the space of the starter's classifier: a substitute, not FID."""

    name, title = "fid_effnet", "Fréchet distance (EfficientNet)"
    annotators = ("effnet",)


class Kid(SetMetric):
    """Kernel distance (Bińkowski et al., 2018) of generated images and the split's own real ones.

    Unbiased squared MMD over all pairs, or its mean over random subsets. Unscaled.
    """

    name, title, unit = "kid", "KID", ""
    higher_is_better = False
    range = (-1.0, float("inf"))
    annotators = ("inception",)
    options: ClassVar[Mapping[str, Option]] = {
        "size": Option("all", (), "images of a subset; all: every pair of the set once"),
        "subsets": Option("100", (), "how many subsets are drawn"),
        "seed": Option("0", (), "of the draws"),
    }

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for key, least in (("size", 2), ("subsets", 1), ("seed", 0)):
            text = self.settings[key]
            if key == "size" and text == "all":
                continue
            if not text.isascii() or not text.isdecimal() or int(text) < least:
                raise UsageError(f"{self.name}.{key}={text}: expected a whole number from {least}")

    def refusal(self, n: int) -> str | None:
        size = self.settings["size"]
        if size != "all" and n < int(size):
            return f"{self.title} of {n} images: subsets of {size} are larger; --set size=all"
        return super().refusal(n)

    def pseudo_values(self, vectors: Vectors) -> Array:
        ours, theirs = vectors[:, 0], vectors[:, 1]
        value, influence = kernel_influence(ours, theirs)
        if self.settings["size"] != "all":
            sizes = (int(self.settings[key]) for key in ("subsets", "size", "seed"))
            value = kid(ours, theirs, *sizes).mean
        return value + influence

    def keys(self) -> list[tuple[str, str]]:
        feature, *others = super().keys()
        return [feature, ("size", "all")] if self.settings["size"] == "all" else [feature, *others]


class KidEffnet(Kid):
    """Kernel distance in the space of the starter's classifier: a substitute, not KID."""

    name, title = "kid_effnet", "Kernel distance (EfficientNet)"
    annotators = ("effnet",)


def _stamped(reference: str) -> str:
    path, mark, stamp = reference.rpartition(_STAMP)
    if mark and stamp:
        return f"{path}{_STAMP}{stamp}"
    return f"{Path(reference).expanduser().absolute()}{_STAMP}{_hash(reference)}"


def _hash(path: str) -> str:
    """Return 16 hexadecimal digits of a file's sha256. Raises UsageError."""
    try:
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UsageError(f"reference statistics {path}: {error.strerror}") from error

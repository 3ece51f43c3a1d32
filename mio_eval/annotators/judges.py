"""The judges of the shipped tasks: each makes a model's view of an output into a small record.

A judge is named by its role (`asr`, `speaker`, `clip`, `image`, `ssim`, `aesthetic`, `inception`,
`effnet`) and a model (`--judge asr=starter`), loaded on first use and freed by `close`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError, unknown
from ..media.decode import load_audio, load_image
from ..types import Json
from .base import Annotator, get_annotator
from .feature_judges import EffnetJudge, InceptionJudge
from .judge import Judge, StarterClassifier, ValueJudge

if TYPE_CHECKING:
    import PIL.Image

CLIPSCORE_PROMPT = "A photo depicts {}"  # Hessel et al. (2021), section 3


class AsrJudge(ValueJudge):
    """Transcribes generated speech: {"text": …}."""

    name = "asr"

    def load(self) -> Any:
        from .asr_models import load_asr

        return load_asr(self.spec, self.device or "cpu")

    def judge(self, record: Json, run: Path) -> Json:
        return {"text": self.model.transcribe([load_audio(self.output(record, run))])[0]}


class SpeakerJudge(ValueJudge):
    """Compares the voices of generated and real speech: {"cosine": …}."""

    name = "speaker"

    def load(self) -> Any:
        from .speaker_models import load_speaker_encoder

        return load_speaker_encoder(self.spec, self.device or "cpu")

    def judge(self, record: Json, run: Path) -> Json:
        from .speaker_models import speaker_similarity

        ours = self.model.embed(load_audio(self.output(record, run)))
        theirs = self.model.embed(load_audio(self.target(record, "audio")))
        return {"cosine": speaker_similarity(ours, theirs)}


class ClipJudge(ValueJudge):
    """CLIP cosines of a generated image with the real one, its caption and CLIPScore's prompt."""

    name = "clip"

    def load(self) -> Any:
        from .clip_models import load_encoder

        return load_encoder(self.spec, self.device or None)

    def identity(self) -> str:
        if not self._identity:
            pairs = self.model.keys()
            self._identity = "|".join(f"{key}:{value}" for key, value in pairs).removeprefix("enc:")
        return self._identity

    def judge(self, record: Json, run: Path) -> Json:
        caption = record["references"][0]
        images = [load_image(self.output(record, run)), load_image(self.target(record, "image"))]
        ours, theirs = np.asarray(self.model.images(images), dtype=np.float64)
        texts = [caption, CLIPSCORE_PROMPT.format(caption)]
        plain, prompted = np.asarray(self.model.texts(texts), dtype=np.float64)
        return {
            "image": _cosine(ours, theirs),
            "text": _cosine(ours, plain),
            "prompted_text": _cosine(ours, prompted),
        }


class ImageJudge(StarterClassifier, ValueJudge):
    """Compares features of the starter's classifier: a substitute for CLIP, never called so."""

    name = "image"

    def judge(self, record: Json, run: Path) -> Json:
        ours, theirs = (
            self.model.features([load_image(media)])[0].double().numpy()
            for media in (self.output(record, run), self.target(record, "image"))
        )
        return {"image": _cosine(ours, theirs)}


class SsimJudge(ValueJudge):
    """Structural similarity of a generated image with the real one: {"ssim": …}."""

    name = "ssim"

    def load(self) -> Any:
        return None

    def identity(self) -> str:
        from ..metrics.ssim import ssim_keys

        return "skimage|" + "|".join(f"{key}:{value}" for key, value in ssim_keys())

    def judge(self, record: Json, run: Path) -> Json:
        from ..metrics.ssim import ssim_pair

        image: PIL.Image.Image = load_image(self.output(record, run))
        return {"ssim": ssim_pair(image, load_image(self.target(record, "image")))}


class AestheticJudge(ValueJudge):
    """Rates a generated image: {"aesthetic": 1 … 10}."""

    name = "aesthetic"

    def load(self) -> Any:
        if self.spec != "aesthetic-predictor-v2-5":
            raise unknown("model of the judge aesthetic", self.spec, ["aesthetic-predictor-v2-5"])
        from .aesthetic import AestheticPredictor

        return AestheticPredictor(device=self.device or None)

    def judge(self, record: Json, run: Path) -> Json:
        return {"aesthetic": float(self.model.scores([load_image(self.output(record, run))])[0])}


JUDGES: Mapping[str, type[Judge]] = {
    judge.name: judge
    for judge in (
        *(AsrJudge, SpeakerJudge, ClipJudge, ImageJudge, SsimJudge, AestheticJudge),
        *(InceptionJudge, EffnetJudge),
    )
}


def make_judge(role: str, spec: str, device: str = "") -> Annotator:
    """Return the judge of a role with the model named, not loaded yet; a plug-in has no model."""
    if role in JUDGES:
        return JUDGES[role](spec, device)
    return get_annotator(role)


def parse_judges(texts: Sequence[str]) -> dict[str, str]:
    """Read `role=model` options. Raises UsageError for another form or an unknown role."""
    found: dict[str, str] = {}
    for text in texts:
        role, equals, spec = text.partition("=")
        if not equals or not spec:
            raise UsageError(f"--judge {text!r}: expected role=model, for example asr=starter")
        if role not in JUDGES:
            raise unknown("judge", role, JUDGES)
        found[role] = spec
    return found


def _cosine(a: Any, b: Any) -> float:
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norm == 0.0:
        raise ValueError("an embedding is zero")
    return float(np.clip(np.dot(a, b) / norm, -1.0, 1.0))

"""Generated speech: seed-tts-eval's text normalisation, and speaker similarity."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence

import numpy as np

from ..types import Json
from .base import Array, Item, Metric, Statistics, mean_score

CHINESE_PUNCTUATION = (  # zhon 2.1.1, `zhon.hanzi.punctuation`
    "＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､\u3000、〃〈〉《》「」『』【】〔〕〖〗〘〙〚〛"
    "〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏﹑﹔·．！？｡。"
)
_DELETED = str.maketrans("", "", (CHINESE_PUNCTUATION + string.punctuation).replace("'", ""))
LANGUAGES = ("en", "zh")


def seed_tts_normalise(text: str, language: str = "en") -> str:
    """Normalise a text as seed-tts-eval does before it counts errors.

    Chinese and ASCII punctuation is deleted, except the ASCII apostrophe; nothing takes its place,
    so "Twenty-one" is "twentyone". Each two spaces become one, in a single pass. English becomes
    lower case; Chinese is split into characters, case and digits kept.

    Args:
        text: a reference or a transcript. seed-tts-eval turns Chinese transcripts into simplified
            characters before (zhconv); this function does not.
        language: `en` or `zh`.

    The mean of utterance error rates (`wer_utt_mean`) over these texts is seed-tts-eval's WER.
    The rule is BytedanceSpeech/seed-tts-eval's at commit 752f429 (run_wer.py).

    Raises:
        ValueError: another language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"seed-tts-eval normalises {', '.join(LANGUAGES)}, not {language!r}")
    text = text.translate(_DELETED).replace("  ", " ")
    return text.lower() if language == "en" else " ".join(text)


class SpeakerSim(Metric):
    """Mean cosine of the embeddings of generated and prompt voice, ×100."""

    name, title = "speaker_sim", "Speaker similarity"
    unit = "×100"
    higher_is_better = True
    range = (-100.0, 100.0)
    columns = ("cosine", "count")
    annotators = ("speaker",)
    outputs = ("audio",)

    def statistics(self, items: Sequence[Item]) -> Statistics:
        """Read `annotations["speaker"]["cosine"]` of every item.

        Raises:
            ValueError: an item has no such number from -1 to 1; its sample is named.
        """
        cosines = [_cosine(item) for item in items]
        return Statistics(np.array([[c, 1.0] for c in cosines], dtype=np.float64).reshape(-1, 2))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def keys(self) -> list[tuple[str, str]]:
        return [("enc", self.judges.get("speaker", "-"))]


def _cosine(item: Item) -> float:
    said: Json = item.annotations.get("speaker")
    value = said.get("cosine") if isinstance(said, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(
            f"speaker_sim: sample {item.id} has no cosine from the judge speaker; got {said!r}"
        )
    if abs(value) > 1.0:
        raise ValueError(f"speaker_sim: sample {item.id} has the cosine {value}, outside -1 to 1")
    return float(value)

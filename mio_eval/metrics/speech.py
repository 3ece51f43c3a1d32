"""Word and character error rates in %, over normalised text, with the alignment kept.

The counts are jiwer's; see `wer` for definitions and `normalizers` for the text normalisers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ..types import Modality
from .base import Array, Item, Metric, Option, Statistics, mean_score, need_references
from .normalizers import NAMES, normalizer
from .wer import (
    COLUMNS,
    EditStatistics,
    character_statistics,
    corpus_error_rate,
    utterance_error_rates,
    word_statistics,
)

NORMALIZER_OPTION = Option("whisper-en", NAMES, "text normaliser for reference and hypothesis")
_EMPTY_NOTE = "{} empty references after normalisation, their insertions counted"


class ErrorRate(Metric):
    """Corpus error rate: all errors over all reference units, in %."""

    unit = "%"
    higher_is_better = False
    range = (0.0, float("inf"))
    columns: ClassVar[tuple[str, ...]] = COLUMNS
    options: ClassVar[Mapping[str, Option]] = {"norm": NORMALIZER_OPTION}
    aggregate: ClassVar[str] = "corpus"
    outputs: ClassVar[tuple[Modality, ...]] = ("text", "audio")

    def bind(self, output: Modality, judges: Mapping[str, str]) -> None:
        super().bind(output, judges)
        self.annotators = ("asr",) if output == "audio" else ()

    def edits(self, references: Sequence[str], hypotheses: Sequence[str]) -> EditStatistics:
        """Align references and hypotheses."""
        return word_statistics(references, hypotheses)

    def statistics(self, items: Sequence[Item]) -> Statistics:
        need_references(self.name, items)
        for item in items:
            if len(item.references) > 1:
                raise ValueError(
                    f"{self.name}: sample {item.id} has {len(item.references)} references; "
                    "an error rate is against one"
                )
        normalise = normalizer(self.settings["norm"])
        references = [normalise(item.references[0]) for item in items]
        if self.output == "audio":  # generated speech is read by its judge
            hypotheses = [normalise(item.annotations["asr"]["text"]) for item in items]
        else:
            hypotheses = [normalise(item.text) for item in items]
        edits = self.edits(references, hypotheses)
        details = [
            {"reference": reference, "hypothesis": hypothesis, "alignment": alignment}
            for reference, hypothesis, alignment in zip(
                references, hypotheses, edits.alignments, strict=True
            )
        ]
        return Statistics(edits.counts.astype(np.float64), details)

    def score(self, sums: Array) -> Array:
        return 100.0 * corpus_error_rate(sums)

    def per_sample(self, values: Array) -> Array:
        return 100.0 * utterance_error_rates(values)

    def keys(self) -> list[tuple[str, str]]:
        return [
            ("agg", self.aggregate),
            ("norm", self.settings["norm"]),
            ("asr", self.judges.get("asr", "-")),
        ]

    def note(self, statistics: Array) -> str:
        empty = int((statistics[:, 3] == 0).sum())
        return _EMPTY_NOTE.format(empty) if empty else ""


class Wer(ErrorRate):
    """Word error rate of the corpus: Σ(S+D+I) / ΣN, in %."""

    name, title = "wer", "WER"


class Cer(ErrorRate):
    """Character error rate of the corpus, spaces included, in %."""

    name, title = "cer", "CER"

    def edits(self, references: Sequence[str], hypotheses: Sequence[str]) -> EditStatistics:
        return character_statistics(references, hypotheses)


class WerUtteranceMean(ErrorRate):
    """Mean over utterances of each one's word error rate, in % — not the corpus WER."""

    name, title = "wer_utt_mean", "WER (utterance mean)"
    aggregate = "utt-mean"
    columns = ("rate", "count", "empty_reference")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        edits = super().statistics(items)
        rates = utterance_error_rates(edits.values)
        empty = edits.values[:, 3] == 0
        return Statistics(np.column_stack([rates, np.ones(len(items)), empty.astype(np.float64)]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def per_sample(self, values: Array) -> Array:
        return self.score(values)

    def note(self, statistics: Array) -> str:
        empty = int(statistics[:, 2].sum())
        return _EMPTY_NOTE.format(empty) if empty else ""

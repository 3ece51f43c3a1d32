"""Caption metrics as pycocoevalcap computes them: CIDEr-D, BLEU-1…4, ROUGE-L, ×100.

The arithmetic is in `cider`, `bleu` and `rouge`; here captions are tokenised and the values
are put on the scale of published tables.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, TypeAlias

import numpy as np

from .base import Array, Item, Metric, Option, Statistics, mean_score, need_references
from .bleu import STATISTICS, bleu_from_statistics, bleu_statistics, sentence_bleu
from .cider import DocumentFrequencies, cider_d, document_frequencies
from .ptb import TOKENIZER, ptb_tokenize
from .rouge import rouge_l

TOKENIZER_OPTION = Option(
    "ptb", ("ptb", "java"), "PTB tokens in pure Python, or by Stanford's Java tokenizer"
)
Tokens: TypeAlias = Sequence[str]

_REMEMBERED = 1 << 18  # captions: COCO's val2014 whole, which is less than 100 MB
_LONG = 512  # characters; what is longer is no caption, and not worth the memory


@lru_cache(_REMEMBERED)
def _ptb_tokens(caption: str) -> tuple[Tokens, Tokens]:
    """Tokenise a caption once for all metrics: each reads the same references, CIDEr twice.

    Returns the tokens, and the same split at white space.
    """
    tokens = tuple(map(sys.intern, ptb_tokenize(caption)))
    return tokens, _words(tokens)


def _words(tokens: Tokens) -> Tokens:
    """Split the few tokens that hold a no-break space ("2 1/2"), as Python's split does."""
    line = " ".join(tokens)
    return line.split() if "\xa0" in line else tokens


class CaptionMetric(Metric):
    """A metric over PTB tokens, which it takes from one of the two tokenizers."""

    unit = "×100"
    higher_is_better = True
    counts_references = True
    options: ClassVar[Mapping[str, Option]] = {"tokenizer": TOKENIZER_OPTION}
    splits_at: ClassVar[str] = "white space"
    """pycocoevalcap's BLEU and CIDEr split the tokens' line at white space, ROUGE at spaces."""

    def tokenize(self, captions: Sequence[str]) -> Sequence[Tokens]:
        """Tokenise captions with the chosen tokenizer."""
        whole = self.splits_at == "space"
        if self.settings["tokenizer"] == "java":
            from .ptb_java import java_ptb_tokenize_many

            lines = java_ptb_tokenize_many(captions)
            return lines if whole else [_words(line) for line in lines]
        which = 0 if whole else 1
        long = _ptb_tokens.__wrapped__
        return [(_ptb_tokens(c) if len(c) <= _LONG else long(c))[which] for c in captions]

    def tokens_of(self, items: Sequence[Item]) -> tuple[Sequence[Tokens], list[list[Tokens]]]:
        """Tokenise the hypotheses and the references of items."""
        need_references(self.name, items)
        hypotheses = self.tokenize([item.text for item in items])
        return hypotheses, self.tokenize_references([item.references for item in items])

    def tokenize_references(self, references: Sequence[tuple[str, ...]]) -> list[list[Tokens]]:
        """Tokenise each sample's references; Java, which starts slowly, in one call for all."""
        if self.settings["tokenizer"] != "java":
            return [list(self.tokenize(group)) for group in references]
        tokens = iter(self.tokenize([caption for group in references for caption in group]))
        return [[next(tokens) for _ in group] for group in references]

    def keys(self) -> list[tuple[str, str]]:
        return [("tok", "ptb-java" if self.settings["tokenizer"] == "java" else TOKENIZER)]


class Cider(CaptionMetric):
    """CIDEr-D (Vedantam et al., 2015), document frequencies from the full split's references.

    The value is the mean of per-image scores ×100, so an image's score does not depend on
    which other images were scored.
    """

    name = "cider"
    title = "CIDEr-D"
    range = (0.0, 1000.0)
    columns = ("cider_d", "count")
    needs_split = True

    def __init__(self, **settings: str) -> None:
        super().__init__(**settings)
        self._frequencies: DocumentFrequencies | None = None

    def prepare(self, references: Sequence[tuple[str, ...]]) -> None:
        self._frequencies = document_frequencies(self.tokenize_references(references))

    def statistics(self, items: Sequence[Item]) -> Statistics:
        hypotheses, references = self.tokens_of(items)
        if self._frequencies is None:
            raise RuntimeError("Cider.prepare must see the split's references first")
        scores = cider_d(hypotheses, references, self._frequencies)
        return Statistics(np.column_stack([scores, np.ones(len(items))]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

    def keys(self) -> list[tuple[str, str]]:
        return [*super().keys(), ("df", "split")]


class _LastBleu(threading.local):
    """What BLEU's statistics were last computed of, and what they are."""

    given: object = None
    values: Array = np.empty((0, STATISTICS))


_last_bleu = _LastBleu()


class _Bleu(CaptionMetric):
    """Corpus BLEU (Papineni et al., 2002) with the closest reference length, ×100."""

    range = (0.0, 100.0)
    columns = (
        *("hyp_len", "ref_len", "guess1", "guess2", "guess3", "guess4"),
        *("correct1", "correct2", "correct3", "correct4"),
    )
    order: int

    def statistics(self, items: Sequence[Item]) -> Statistics:
        # The four orders have the same statistics, and come one after the other.
        tokenizer = self.settings["tokenizer"]
        given = (tokenizer, [(item.id, item.text, item.references) for item in items])
        if _last_bleu.given != given:
            hypotheses, references = self.tokens_of(items)
            values = bleu_statistics(hypotheses, references).astype(np.float64)
            values.flags.writeable = False
            _last_bleu.given, _last_bleu.values = given, values
        return Statistics(_last_bleu.values)

    def score(self, sums: Array) -> Array:
        return 100.0 * bleu_from_statistics(sums, self.order)

    def per_sample(self, values: Array) -> Array:
        return 100.0 * sentence_bleu(values, self.order)


class Bleu1(_Bleu):
    """BLEU-1."""

    name, title, order = "bleu1", "BLEU-1", 1


class Bleu2(_Bleu):
    """BLEU-2."""

    name, title, order = "bleu2", "BLEU-2", 2


class Bleu3(_Bleu):
    """BLEU-3."""

    name, title, order = "bleu3", "BLEU-3", 3


class Bleu4(_Bleu):
    """BLEU-4."""

    name, title, order = "bleu4", "BLEU-4", 4


class RougeL(CaptionMetric):
    """ROUGE-L (Lin, 2004) with β = 1.2, as COCO's caption evaluation defines it, ×100."""

    name = "rouge_l"
    title = "ROUGE-L"
    splits_at = "space"
    range = (0.0, 100.0)
    columns = ("rouge_l", "count")

    def statistics(self, items: Sequence[Item]) -> Statistics:
        hypotheses, references = self.tokens_of(items)
        return Statistics(np.column_stack([rouge_l(hypotheses, references), np.ones(len(items))]))

    def score(self, sums: Array) -> Array:
        return mean_score(sums, 100.0)

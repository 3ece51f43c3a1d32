"""CIDEr with tokenisation by pycocoevalcap, which runs Stanford's tokenizer in Java."""

from __future__ import annotations

from data import coco_captions, split_captions
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from result import Clock, report


def main() -> None:
    """Measure COCO val2014."""
    hypotheses, references = split_captions(coco_captions())
    ground = {i: [{"caption": caption} for caption in group] for i, group in references.items()}
    results = {i: [{"caption": caption}] for i, caption in hypotheses.items()}

    clock = Clock()
    tokenizer = PTBTokenizer()
    score, _ = Cider().compute_score(tokenizer.tokenize(ground), tokenizer.tokenize(results))
    report(**clock.read(), value=100.0 * float(score), n=len(results))


if __name__ == "__main__":
    main()

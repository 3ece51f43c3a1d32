"""Metrics, found by name. A metric's module is imported only when the metric is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import unknown
from ..plugins import entry_points

if TYPE_CHECKING:
    from .base import Metric

ENTRY_POINTS = "mio_eval.metrics"

METRICS = {
    "cider": "captioning:Cider",
    "bleu1": "captioning:Bleu1",
    "bleu2": "captioning:Bleu2",
    "bleu3": "captioning:Bleu3",
    "bleu4": "captioning:Bleu4",
    "rouge_l": "captioning:RougeL",
    "meteor": "captioning_java:Meteor",
    "spice": "captioning_java:Spice",
    "wer": "speech:Wer",
    "wer_utt_mean": "speech:WerUtteranceMean",
    "cer": "speech:Cer",
    "speaker_sim": "tts:SpeakerSim",
    "vqa_acc": "vqa:VqaAccuracy",
    "vqa_exact": "vqa_exact:VqaExact",
    "choice_acc": "choice:ChoiceAccuracy",
    "acc": "accuracy:Acc",
    "unanswerable_f1": "answerability:UnanswerableF1",
    "unanswerable_ap": "answerability:UnanswerableAp",
    "clip_i": "image_metrics:ClipI",
    "clip_t": "image_metrics:ClipT",
    "clipscore": "image_metrics:ClipScore",
    "image_sim": "image_metrics:ImageSim",
    "ssim": "image_metrics:Ssim",
    "aesthetic": "image_metrics:Aesthetic",
    "fid": "image_sets:Fid",
    "kid": "image_sets:Kid",
    "fid_effnet": "image_sets:FidEffnet",
    "kid_effnet": "image_sets:KidEffnet",
}


def metric_names() -> list[str]:
    """Return the names of all metrics, plug-ins included."""
    return sorted({*METRICS, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def metric_class(name: str) -> type[Metric]:
    """Return the class of the metric called `name`. Raises UsageError with the nearest names."""
    loaded: type[Metric]
    if name in METRICS:
        module, _, attribute = METRICS[name].partition(":")
        loaded = getattr(import_module(f".{module}", __package__), attribute)
        return loaded
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        loaded = entry.load()
        return loaded
    raise unknown("metric", name, metric_names())


def get_metric(name: str, **settings: Any) -> Metric:
    """Build the metric called `name` with its settings."""
    return metric_class(name)(**settings)

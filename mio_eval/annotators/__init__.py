"""Annotators: judge models (ASR, CLIP, speaker encoders …) whose outputs metrics share."""

from .base import Annotation, Annotator, get_annotator

__all__ = ["Annotation", "Annotator", "get_annotator"]

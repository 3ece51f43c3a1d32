"""Media: decoding with limits. References to media live in `mio_eval.types`."""

from .decode import DecodeError, load_audio, load_image

__all__ = ["DecodeError", "load_audio", "load_image"]

"""Data readers: one per on-disk format. A reader turns a folder and a split into samples."""

from .sources import Source, check_source, open_source

__all__ = ["Source", "check_source", "open_source"]

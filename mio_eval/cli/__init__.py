"""The command line. Each command is a short file; heavy imports happen inside commands."""

from .app import main

__all__ = ["main"]

"""mio-eval: scores any-to-any multimodal models with the MIO paper's tasks and protocol."""

__version__ = "0.1.0"

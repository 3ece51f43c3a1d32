"""The `mio` backend: MIO-7B, with its image and speech tokenizers, as released."""

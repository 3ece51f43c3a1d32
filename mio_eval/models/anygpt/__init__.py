"""The `anygpt` backend: AnyGPT-7B, with its image and speech tokenizers, as released."""

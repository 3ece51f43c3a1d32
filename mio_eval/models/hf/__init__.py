"""The `hf` backend: any transformers or diffusers model, by the kind its config names."""

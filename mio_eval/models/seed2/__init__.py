"""SEED-2, the image tokenizer of MIO and AnyGPT: 32 codes an image, and back through unCLIP."""

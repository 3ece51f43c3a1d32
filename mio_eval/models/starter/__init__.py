"""The starter models: small real pretrained models that come inside ordinary packages."""

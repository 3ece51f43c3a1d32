"""Tests here import transformers and others, which import torchvision where it is installed."""

from mio_eval.compat import import_torchvision

import_torchvision()

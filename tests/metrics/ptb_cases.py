"""Cases that the tests of the PTB tokenizer and of the original in Java share."""

from __future__ import annotations

import importlib.util
import shutil

import pytest
from golden_files import read_golden

LINE_SEPARATORS = ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
NO_JAVA = shutil.which("java") is None or importlib.util.find_spec("pycocoevalcap") is None
needs_java = pytest.mark.skipif(NO_JAVA, reason="needs Java and pycocoevalcap")

# caption: (tokens here, tokens of the original, reason)
KNOWN_DIFFERENCES = {
    "a\xadn't": ("an t", "a n't", "a soft hyphen inside a contraction"),
    "x\xadma'am": ("xma'am", "xma am", "a soft hyphen in a word with an apostrophe"),
    "😀.org": ("org", "😀.org", "an emoji stays when a host name is glued to it"),
    "\u2003.com": ("com", "\u2003.com", "an em space counts as part of a host name"),
    "https://😀": ("https / /", "https://😀", "UTF-16 halves are counted as characters"),
    "www.si'te.com/page": ("www.si te.com/page", "www.si'te.com/page", "a quote in a host name"),
    "'5\u0663": ("'5\u0663", "5\u0663", "an Arabic digit in a year of two digits"),
}


def coco_cases() -> list[list[str]]:
    return read_golden("captioning/ptb_coco_cases.json.gz")

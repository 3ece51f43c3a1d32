"""The rules of the PTB tokenizer: regular expressions over the shadow of a caption.

The rules and word lists were inferred from what Stanford's PTBTokenizer returns for chosen inputs.
At each position every rule is tried; the one that reaches farthest wins, the first of equals. What
a rule has to see behind its token counts as reach too, and is group 1 of its expression.

No expression nests unbounded repetitions over the same characters, and those that may read far and
then fail are bounded, so that the time grows with the length of the caption only.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

# Abbreviations that keep their period anywhere.
ABBREVIATIONS = (
    "adj adm adv al ala alex apr ariz assn assoc asst aug ave bancorp bhd bldg blvd brig bros "
    "calif capt cf cie cmdr co col colo comdr conn corp cos cpl ct dak dec dept det dr drs ens "
    "esq est etc ext feb fla fri ft ga gen gov hon inc ind insp intl jan jos jr jul jun kan "
    "kans ky lt ltd maj mar md messrs mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt mtg "
    "natl neb nev nov oct okla penn pfc ph plc pres prof profs pte pty pvt rd rep reps rev rt "
    "sen sens sep sept seq sfc sgt spc sq sr st ste supt sys tel tenn thu thurs treas tue tues "
    "univ va vs vt wed wis wisc wm wyo ed.d ph.d"
)
# Those of them that may end a sentence: they part from a single letter or a hyphen behind.
FINAL_ABBREVIATIONS = (
    "al ala apr ariz assn aug bancorp bhd bldg blvd bros calif co colo conn corp cos ct dak dec "
    "esq est etc ext feb fla fri ga inc ind intl jan jr jul jun kan kans ky ltd mar md mich "
    "minn mo mon mont neb nev nov oct okla penn plc pte pty rd rt sep sept seq sq sr sys tel "
    "tenn thu thurs tue tues univ va vt wed wis wisc wyo ed.d ph.d"
)
# Abbreviations with a capital only: in lower case they are ordinary words.
CAPITAL_ABBREVIATIONS = "ark az del ill la mass miss ore pa tex wash"
# Abbreviations that keep their period before a number only.
NUMBER_ABBREVIATIONS = "art ca fig figs no nos op pp prop"
# After an initial, these words show that a new sentence began: the period was a full stop.
SENTENCE_WORDS = (
    "a about according additionally after an as at but earlier he her here however if in it "
    "last many more now once one other our she since so some such that the their then there "
    "these they this we what when while yet you"
)
# Words that fall into two tokens after their third letter.
SPLIT_WORDS = frozenset({"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"})


class Kind(Enum):
    """How the text of a match becomes tokens."""

    WORD = auto()  # lower case, soft hyphens removed
    JOINED = auto()  # capitals with "&" or "&amp;" between them
    SPLIT = auto()  # two tokens
    CONTRACTION = auto()  # apostrophes made plain
    BRACKETED = auto()  # parentheses spelled out
    MARKUP = auto()  # as it stands
    ENTITY = auto()  # replaced by its character
    QUOTES = auto()  # typographic quotes made plain
    HOST = auto()  # an address without protocol
    NOTHING = auto()  # punctuation that is removed in the end


class Rule(NamedTuple):
    """One rule: `behind` says that group 1 reaches beyond the token."""

    kind: Kind
    match: re.Pattern[str]
    behind: bool


def _either(words: str) -> str:
    return "|".join(sorted(words.replace(".", r"\.").split(), key=lambda word: (-len(word), word)))


# Classes of characters, to stand between brackets.
_A = "A-Za-zé"  # letters
_N = "0-9٠"  # digits
_AN = _A + _N
_W = _A + "˂\xad"  # what a word is made of
_S = " \t\n\xa0\u2003"  # white space
_LINK = ' \t\n"<>|(){}'  # excluded from addresses
_HOST = r" \t\n\xa0\"'`<>|.!?(),;:@\[\]/\\^_=${}\x01\-A-Z0-9"  # excluded from host names
_QUOTES = "`‘’‛\x91\x92‹›“”«»\x93\x94„"

# Apostrophes, as alternatives: the typographic ones are accepted in some rules, not in others.
_APOS = "(?:['’\x92]|&apos;)"
_APOS_WIDE = "(?:['’\x92`‘‛\x91]|&apos;)"

_SEGMENT = f"(?:[dloDLO]{_APOS_WIDE}[{_AN}](?=[{_AN}]))?[{_AN}]"
_THING = f"{_SEGMENT}+(?:[-‐](?:{_SEGMENT}|\xad)[{_AN}\xad]*|_{_SEGMENT}+)*"
_ACRONYM = r"[A-Za-z](?:\.[A-Za-z])+\.?"
_SLASHED = "[A-Za-z0-9]+(?:-[A-Za-z]+)*"
_ENDINGS = "(?:'(?i:s|m|d|ll|re|ve)(?![A-Za-z])|(?:[’\x92]|&apos;)(?i:s|m|d|ll|re|ve))"
_NOT = f"[nN]{_APOS_WIDE}[tT](?![A-Za-z])"
_NAME = r"[A-Za-z][A-Za-z0-9_:.\-]*+"
_VALUE = r"""(?:"[^"\n]*+"|'[^'\n]*+')"""
_TAG = (
    rf"(?:<[!?][A-Za-z\-][^>\n]*>|</{_NAME} *>"
    rf"|<{_NAME}(?: ++{_NAME}(?: *= *{_VALUE})?)*+ *(?:/ *)?>)"
)
_ACCENT = "&[aeiouAEIOU](?i:acute|grave|uml);"
_SENTENCE = _either(f"{SENTENCE_WORDS.title()} {SENTENCE_WORDS.upper()}")
_CAPITALS = _either(f"{CAPITAL_ABBREVIATIONS.title()} {CAPITAL_ABBREVIATIONS.upper()}")

# The kind, the characters that a match may start with (a class) and the expression.
_TABLE: tuple[tuple[Kind, str, str], ...] = (
    # Markup
    (Kind.MARKUP, "<", _TAG),
    # Addresses
    (Kind.WORD, "Hh", rf"(?i:https?)://[^{_LINK}]+[^{_LINK}.!?,\-]"),
    (
        Kind.WORD,
        "0-9A-Za-z<&",
        rf"(?:<|&lt;)?[A-Za-z0-9][^{_LINK}\xa0]{{0,63}}@[^{_LINK}\xa0.]+(?:\.[^{_LINK}\xa0.]+)*(?:>|&gt;)?",
    ),
    (Kind.WORD, "@", r"@[A-Za-z_][A-Za-z0-9_]*"),
    (Kind.WORD, "#", rf"#[{_W}]+"),
    (
        Kind.WORD,
        "Ww",
        rf"(?i:www)\.(?:[^{_HOST}]{{1,63}}\.){{1,20}}[A-Za-z]{{2,4}}/[^{_LINK}]+[^{_LINK}.!?,\-]",
    ),
    (
        Kind.HOST,
        f"^{_HOST}",
        rf"(?:[^{_HOST}]{{1,63}}\.){{1,20}}(?:com|net|org|edu)(?:/[^{_LINK}]+[^{_LINK}.!?,\-])?",
    ),
    # Words
    (Kind.SPLIT, "CcGgLlWw", rf"(?i:{_either(' '.join(SPLIT_WORDS))})(?![{_AN}]|{_ENDINGS})"),
    (Kind.WORD, _W, f"[{_W}][{_W}{_N}]*"),
    (Kind.WORD, _AN, _THING),
    (Kind.WORD, _W + "&", rf"(?:[{_W}]|{_ACCENT})+"),
    (Kind.WORD, _W, rf"[{_W}][{_W}{_N}]*(?:[.!?][{_W}][{_W}{_N}]*)+"),
    (Kind.WORD, "A-Za-z0-9", rf"{_SLASHED}(?:\\?/{_SLASHED}){{1,2}}"),
    (Kind.JOINED, "A-Z", r"[A-Z]+(?:(?:\+|&(?i:amp;)?)[A-Z]+)+"),
    (Kind.WORD, "A-Z", r"[A-Z]+\$"),
    (Kind.WORD, "Cc", r"[cC]\+\+"),
    (Kind.WORD, "CFcf", r"[cCfF]#"),
    # Apostrophes
    (Kind.WORD, _W, f"[{_W}]+(?=({_APOS}(?i:s|m|d|ll|re|ve)))"),
    (Kind.WORD, "A-Za-z", f"[A-Za-z]*[A-MO-Za-mo-z](?=([nN]{_APOS_WIDE}[tT]))"),
    (Kind.WORD, "A-HJ-XZn", rf"[A-HJ-XZn]{_APOS_WIDE}[{_A}][{_W}]+"),
    (Kind.CONTRACTION, "Nn", _NOT),
    (Kind.CONTRACTION, "'’\x92&", _ENDINGS),
    (Kind.WORD, "'’\x92&", rf"{_APOS}(?i:em|till?|cause|n{_APOS})"),
    (Kind.WORD, "'", r"'[nN](?=([ \t\n\xa0]))"),
    (Kind.WORD, "’\x92&", r"(?:[’\x92]|&apos;)[nN]"),
    (Kind.WORD, "'’\x92&", rf"{_APOS}[{_N}]{{2}}(?:[sS]|(?=([{_S}])))"),
    (Kind.WORD, "'", r"'[tT](?=((?i:is|was)))"),
    (Kind.WORD, "DJLdjl", rf"[djlDJL]{_APOS}"),
    (Kind.WORD, "DOdo", rf"(?i:ol|dunkin){_APOS}"),
    (Kind.WORD, "Yy", rf"[yY]{_APOS}(?=([{_A}]))"),
    (Kind.WORD, "CSces", rf"(?i:cap{_APOS}n|s{_APOS}mores|c{_APOS}est|e'er)"),
    (Kind.WORD, "LNln", r"(?i:nat'l|li'l)"),
    (Kind.WORD, _A, rf"[{_W}]+[aeiouyAEIOUY]{_APOS_WIDE}[aeiouA-Z][{_W}]*"),
    (Kind.WORD, "Oo", "(?i:o'o)"),
    # Periods
    (Kind.WORD, "A-Za-z", rf"(?i:{_either(FINAL_ABBREVIATIONS)})\.(?=((?s:..)))"),
    (Kind.WORD, "A-Za-z0-9", r"[A-Za-z0-9][A-Za-z0-9.,]{0,63}(?:-[A-Za-z0-9]+)+"),
    (Kind.WORD, "A-Za-z", _ACRONYM),
    (Kind.WORD, "A-Za-z0-9", r"(?:[A-Za-z0-9]+-)+[A-Za-z](?:\.[A-Za-z])+\."),
    (Kind.WORD, "A-Za-z", rf"(?i:{_either(ABBREVIATIONS)})\."),
    (Kind.WORD, "A-Z", rf"(?:{_CAPITALS})\."),
    (Kind.WORD, "A-Za-z", rf"(?i:{_either(NUMBER_ABBREVIATIONS)})\.(?=([{_S}]?[{_N}]))"),
    (Kind.WORD, _A, rf"[{_A}](?=(\.[{_S}]+(?:{_SENTENCE}|M(?i:[rs])\.|{_TAG})[{_S}]))"),
    (Kind.WORD, "A-Za-z", r"[A-Za-z]\."),
    (Kind.WORD, _AN, rf"{_THING}\.(?=([,;:]))"),
    (Kind.WORD, _W, rf"[{_W}][{_W}{_N}]*(?:[.!?][{_W}][{_W}{_N}]*)*\.(?=([,;:]))"),
    # Numbers
    (Kind.WORD, _N + ".,:٫٬+\\-", rf"[-+]?(?:[{_N}]*(?:[.,:٫٬][{_N}]+)+|[{_N}]+(?:\xad[{_N}]+)*)"),
    (Kind.WORD, _N, rf"[{_N}]+(?:[.,][{_N}]+)*(?:[-‐][{_AN}]+)+"),
    (Kind.WORD, _N, rf"(?:[{_N}]{{1,4}}[- \xa0])?[{_N}]{{1,4}}(?:\\?/|⁄)[{_N}]{{1,4}}"),
    (
        Kind.BRACKETED,  # telephone numbers
        "0-9(+",
        r"(?:\+?[0-9]{2,4}[- \xa0])?(?:\([0-9]{2,3}\)[ \xa0]?|\+?[0-9]{2,4}[- \xa0])"
        r"[0-9]{3,4}[- \xa0]?[0-9]{3,5}",
    ),
    # Signs
    (Kind.BRACKETED, "<>:;=", r"[<>]?[:;=][-o'*]?[()DPOdp@\[\]{|\\](?![A-Za-z0-9])"),
    (Kind.WORD, "<>=x^~'\\-", r"[-'<=>x^~]_[-'<=>x^~]"),
    (Kind.ENTITY, "&", r"&(?:(?i:amp|lt|gt|md|mdash|ndash|nbsp)|quot|apos);"),
    (Kind.WORD, "&", r"&(?:#[0-9]+|(?i:quot|apos|ht|tl|ur|lr|qc|ql|qr|odq|cdq));"),
    (Kind.WORD, "?!", "[?!]+"),
    (Kind.WORD, "@", "@+"),
    (Kind.WORD, "#", "#+"),
    (Kind.WORD, "*", r"\*+"),
    (Kind.WORD, "_", "_+"),
    (Kind.WORD, "<", "<<"),
    (Kind.WORD, ">", ">>"),
    (Kind.WORD, "\\\\", r"\\\*"),
    (Kind.WORD, "²", "²+"),
    (Kind.NOTHING, ".", r"\.{3,5}|(?:\.[ \xa0]){2,4}\."),
    (Kind.NOTHING, "\\-", "-{1,4}"),
    (Kind.WORD, "\\-", "-{5,}"),
    (Kind.NOTHING, "'`", "''|``"),
    (Kind.QUOTES, _QUOTES, f"[{_QUOTES}]{{1,2}}"),
)


def _by_first() -> dict[str, tuple[Rule, ...]]:
    """Give for each character of a shadow the rules that can start with it."""
    alphabet = dict.fromkeys([chr(code) for code in range(0x100)])
    alphabet |= dict.fromkeys("é٠˂§²„‐٫٬–—―‘’‛“”…‹›⁄₠€⅓⅔、")
    table: dict[str, list[Rule]] = {}
    for kind, first, expression in _TABLE:
        pattern = re.compile(expression)
        rule = Rule(kind, pattern, pattern.groups > 0)
        starts = re.compile(re.escape(first) if len(first) == 1 else f"[{first}]")
        for char in alphabet:
            if starts.match(char):
                table.setdefault(char, []).append(rule)
    return {char: tuple(rules) for char, rules in table.items()}


RULES = _by_first()

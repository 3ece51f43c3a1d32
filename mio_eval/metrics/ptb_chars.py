"""Character classes of the tokenizer: a data table measured from its input and output.

Every character of the basic plane was put into a set of frames (``a?b``, ``1?2``, ``??``, ...) and
the tokens were compared; characters that behave alike share a class. A caption is rewritten
character by character into its "shadow", where one representative stands for a whole class. The
rules are written for the shadow, and the tokens are cut from the caption itself.
"""

from __future__ import annotations

from bisect import bisect_right

LETTER = "é"  # letters outside ASCII
DIGIT = "٠"  # decimal digits outside ASCII
MARK = "˂"  # joins letters to a word, but never digits or hyphens
SYMBOL = "§"  # always a token of its own
DROPPED = "\x01"  # separates tokens and disappears
SUPER = "²"  # super- and subscript digits: a run of them is one token
LOW_QUOTE = "„"  # low and reversed quotes: a token of one or two
HYPHEN = "‐"  # joins like "-", but disappears when it stands alone
WIDE_SPACE = "\u2003"  # spaces of the general punctuation block
SOFT_HYPHEN = "\xad"

# Characters that stand for themselves in the shadow, since a rule names them.
_THEMSELVES = "\xa0\xad¢£¤¼½¾\x80\x91\x92\x93\x94\x96\x97«»٫٬–—―‘’‛“”…‹›⁄₠€⅓⅔、"
_SPECIAL = {ord(c): c for c in _THEMSELVES}
_SPECIAL |= {ord(c): SUPER for c in "²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉"}
_SPECIAL |= {ord(c): LOW_QUOTE for c in "‚„‟"}
_SPECIAL |= {ord(c): HYPHEN for c in "\u058a\u2010\u2011"}
_SPECIAL |= dict.fromkeys((*range(8192, 8203), 12288), WIDE_SPACE)
_SPECIAL |= dict.fromkeys((*range(0, 9), *range(14, 32), 127), DROPPED)

_CLASSES = {"L": LETTER, "N": DIGIT, "M": MARK, "S": SYMBOL, "D": DROPPED, "X": DROPPED}

# Runs of one class from U+0080 to U+FFFF: a letter for the class, then the distance from the start
# of the run before in hexadecimal ("X" marks characters listed above).
_RUNS = """
X0 D1 X10 D4 X1 D2 S9 X1 S3 L5 X1 S1 X1 S1 X4 S2 L1 S1 X3 L1 X1 S4 L1 S17 L1 S1f L1 M1ca L4 Mc
Le M5 L7 M1 L1 M1 L81 M5 L1 M2 L2 S4 D1 M5 L2 S1 L1 D3 L1 D1 L1 D14 L1 M53 L1 D8b M1 D5 L2 D9e
L9 D26 L2 M1 D6 L1 D27 S1 X1 D1 M6 S2d M1 S1 M1 S2 M1 S2 M1 D1 L8 D1b L5 S3 D2 Sb D4 S2 D7 S7
M1 S6 D1 S2 L2 M2b D14 N1 Sa X1 S2 L1 M2 L1 S63 L1 M1 Lf M2 L7 N2 La M3 L2 S1 De M1 L1 M1 L1
M1e L1d M59 Lb D1 Ne La M21 L9 S2 D3 L1 D1 L5 D16 L4 D1 L9 D1 L3 D1 L17 D19 L47 D1 L1 Db M53
L4 D36 M2 L1 M1 D11 L1 M1 D5 L2 Ma S2 N2 Da L1 D7 L1 D7 M1 D3 L1 D8 L2 D2 L2 D16 L1 D7 L1 D1
L3 D4 M2 L1 M1 D7 M2 D2 M2 L3 D1 M8 D1 L4 D2 L1 M3 D2 N2 La D2 Mf D3 L1 D6 L4 D2 L2 D16 L1 D7
L1 D2 L1 D2 L1 D2 M2 D1 M1 D12 L9 D4 L1 D1 N7 Da L2 D3 Mc D3 L1 D9 L1 D3 L1 D16 L1 D7 L1 D2 L1
D5 M2 L1 M1 L12 D1 Lf D2 N4 Da L15 D8 L2 D2 L2 D16 L1 D7 L1 D2 L1 D5 L3 D1 L1e D2 L1 D3 N4 Da
L1 D1 M10 L1 D1 L1 D6 L3 D3 L1 D4 L3 D2 L1 D1 L1 D2 L3 D2 L3 D3 L3 Dc M4 D5 M3 D3 M1 D4 L2 D1
N15 Da M11 D3 L1 D8 L1 D3 L1 D17 L1 Da L1 D5 L3 M1 D19 L1 D2 L6 D2 N4 Da L15 D8 L1 D3 L1 D17
L1 Da L1 D5 L3 D1 L20 D1 L1 D2 N4 Da L1 D2 L12 D8 L1 D3 L1 D29 L2 M1 D7 M1 D3 L5 D1 L11 D2 N4
Da La D6 L5 D12 L3 D18 L1 D9 L1 D1 L2 D7 L3a M30 L1 M2 D7 S4 L1 M7 S8 N1 Da L27 D2 L1 D1 L2 D2
L1 D1 L2 D1 L6 D4 L1 D7 L1 D3 L1 D1 L1 D1 L2 D2 L1 M4 L1 M2 L9 D1 L2 D5 L1 D1 M1 D6 N2 Da L2
D4 L20 D1 N1f Da L16 D8 L1 D24 L1b D5 L73 D2b L14 N1 Da L6 D6 L4 D4 L3 D1 L3 D2 L7 D3 L4 Dd Lc
D1 N1 Da L6 D26 L1 D1 L5 D1 L2 D2b L1 D14d L1 D4 L2 D7 L1 D1 L1 D4 L2 D29 L1 D4 L2 D21 L1 D4
L2 D7 L1 D1 L1 D4 L2 Df L1 D39 L1 D4 L2 D43 L25 D10 L10 D55 Lc D26c L2 D11 L1 D1a L5 D4b L15
Dd L1 D4 Le D12 Le D12 Le Dd L1 D3 Lf D34 L23 D1 L4 D1 N3 Da N26 Da L6 D58 L8 D29 L1 D1 L5 D46
La D1d N29 La D1e L2 D5 Lb D2c L15 D7 N8 Da L26 D17 L9 D35 N2b Da N6 Da Ld D1 L5d D2f L11 D7
N4 Da L29 D1e Ld N2 La D2c L1a D24 N1c Da L3 N3 La D24 L6b D4 L1 D4 L3 D2 L9 Dc0 L40 D116 L2
D6 L2 D26 L2 D6 L2 D8 L1 D1 L1 D1 L1 D1 L1 D1f L2 D35 L1 S7 L1 D1 L3 D3 L1 D7 L3 D4 L2 D6 L4
Dd L5 D3 L1 D7 X13 D2 X1 S3 X2 S8 D4 X2 D1 S9 X9 S2 D1 S2 D5 X1 D1 X2b L1 D1 X2 S6 L5 X1 Sa D5
L1 Dd X3 D1 S3 D1 X7 D1 S53 L2 S1 L4 S1 L2 Sa L1 S1 L3 S5 L6 S1 L1 S1 L1 S1 L1 S4 L1 Sb L2 S4
L5 S5 L4 S1 D1 X3 S2 Da L24 D2 Sb La70 D2f L1 D2f L1 D85 L6 D4 L3 D2 Lc D26 L1 D1 L5 D1 L2 D38
L7 D1 L10 D17 L9 D7 L1 D7 L1 D7 L1 D7 L1 D7 L1 D7 L1 D7 L1 D7 L50 D1 X1d1 S1 D1 L2 D2 Sb D1
L1e D5 L5 D2 L4 D56 L6 D3 L1 S5a L1 D4 L5 D29 L3 D5e L11 D1b L35 D10 L200 D19b6 L4a D51cd L33
D48d L43 D2e L2 D10d L3 N10 La D2 L14 D2f L10 D19 L8 D46 L31 D9 L2 D67 L2 D4 L1 D4 Lc Db L4d
Da L1 D3 L1 D4 L1 D17 L1d D34 Le D32 N1c Da L18 D6 L3 D1 N4 La D1c La D17 L19 D1d L7 D2f L1c
N1 Da L26 D29 L17 D3 L1 D8 N4 Da L6 D17 L3 D1 L5 D30 L1 D1 L3 D2 L2 D5 L2 D1 L1 D1 L18 D3 L2
Db L7 D3 Lc D6 L2 D6 L2 D6 L9 D7 L1 D7 L91 D23 Nd Da L6 D2ba4 Lc D17 L4 D31 L2104 D16e L2 D6a
L26 D7 Lc D5 L5 D1 L1 Da L1 Dd L1 D5 L1 D1 L1 D2 L1 D2 L1 D6c L21 D16b L12 D40 L2 D36 L28 Dc
L74 D5 L1 D87 S4 Nf Sa L7 S1a L6 S1a Lb D59 L3 D6 L2 D6 L2 D6 L2 D3 S3 D2 S3 D2
"""

_STARTS: list[int] = []
_LETTERS: list[str] = []
_position = 0x80
for _run in _RUNS.split():
    _position += int(_run[1:], 16)
    _STARTS.append(_position)
    _LETTERS.append(_run[0])


class _Shadow(dict[int, str]):
    """A translation table filled as characters are met."""

    def __missing__(self, codepoint: int) -> str:
        if codepoint < 0x80:
            shadow = chr(codepoint)
        elif codepoint > 0xFFFF:
            shadow = DROPPED
        else:
            shadow = _CLASSES[_LETTERS[bisect_right(_STARTS, codepoint) - 1]]
        self[codepoint] = shadow
        return shadow


_TABLE = _Shadow(_SPECIAL)


def shadow_of(text: str) -> str:
    """Return `text` with each character replaced by its class; the length is the same."""
    return text.translate(_TABLE)

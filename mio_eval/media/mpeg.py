"""Counts the samples of an MP3 that states no length, frame by frame (ISO/IEC 11172-3, 13818-3).

Where the first frame holds no Xing, Info or VBRI header, libsndfile guesses the length from the
first frame's bit rate and reads no further: of a variable bit rate it may drop most of the sound.
"""

from __future__ import annotations

_STATED = (b"Xing", b"Info", b"VBRI")
_WITHIN = 200  # bytes of the first frame in which such a header begins
_MPEG_1, _MPEG_2 = 3, 2  # version bits; 0 is MPEG 2.5
_LAYER_3 = 1
_RATES = {_MPEG_1: (44_100, 48_000, 32_000), _MPEG_2: (22_050, 24_000, 16_000)}
_RATES[0] = (11_025, 12_000, 8_000)
# kbit/s, by the header's four bits from 1 on.
_KBITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def samples_of(data: bytes) -> int | None:
    """Return the samples of each channel; None for other files, and those that state a length."""
    at = _after_id3(data)
    if any(mark in data[at : at + _WITHIN] for mark in _STATED):
        return None
    total = 0
    while (frame := _frame(data[at : at + 4])) is not None:
        size, samples = frame
        at += size
        total += samples
    return total or None


def _after_id3(data: bytes) -> int:
    """Return where the sound begins, behind an ID3v2 tag."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = sum(
        (byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)
    )
    return 10 + size + (10 if data[5] & 0x10 else 0)


def _frame(header: bytes) -> tuple[int, int] | None:
    """Return a frame's bytes and samples by its header; None where it is no frame of layer III."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kbits, rate = header[2] >> 4, header[2] >> 2 & 3
    if version not in _RATES or layer != _LAYER_3 or kbits in (0, 15) or rate == 3:
        return None
    first = version == _MPEG_1
    bits = 1000 * (_KBITS_1 if first else _KBITS_2)[kbits - 1]
    size = (144 if first else 72) * bits // _RATES[version][rate] + (header[2] >> 1 & 1)
    return size, 1152 if first else 576

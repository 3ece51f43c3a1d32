"""The media of a report: embedded in the page, copied beside it, or linked in the run directory.

A medium is named by the first 16 hex digits of its sha256, so one shown twice is stored once.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote

from ...errors import MioEvalError
from ...types import Json, Video

Policy: TypeAlias = Literal["embed", "copy", "link"]

FILE_LIMIT = 4 << 20  # bytes of one medium that are embedded
TOTAL_LIMIT = 48 << 20  # bytes of all media that are embedded
FRAMES = 6  # shown of a video that browsers cannot play
FRAME_WIDTH = 320

# What browsers play, by the first bytes of the file: a file name proves nothing.
_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"WAVE", 8, "audio/wav"),
    (b"fLaC", 0, "audio/flac"),
    (b"OggS", 0, "audio/ogg"),
    (b"ID3", 0, "audio/mpeg"),
    (b"\xff\xfb", 0, "audio/mpeg"),
    (b"\xff\xf3", 0, "audio/mpeg"),
    (b"ftyp", 4, "video/mp4"),
    (b"\x1aE\xdf\xa3", 0, "video/webm"),
)
_SUFFIX = {
    **{"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"},
    **{"audio/wav": ".wav", "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/mpeg": ".mp3"},
    **{"video/mp4": ".mp4", "video/webm": ".webm"},
}


def sniff(head: bytes) -> str | None:
    """Return the media type of a file that browsers show, by its first 16 bytes, else None."""
    for magic, offset, kind in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return kind
    return None


@dataclass(slots=True)
class MediaStore:
    """Collects the media of a report and says where each is."""

    policy: Policy
    folder: Path
    """The folder of the page: copies go below it, links are relative to it."""
    index: dict[str, Json] = field(default_factory=dict)
    """Key → `{"type", "src" | "frames" | "why"}`; embedded ones have neither."""
    embedded: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Key → type and bytes of embedded media."""
    limit: int = TOTAL_LIMIT
    total: int = 0

    def add(
        self, sha256: str, modality: str, read: Callable[[], bytes], path: Path | None = None
    ) -> str | None:
        """Take a medium in and return its key, or None when it is gone or not what it was.

        `path` is the file when a link to it will do (media of the run directory).
        """
        key = sha256[:16]
        if key in self.index:
            return key
        try:
            if path is not None and self._links(path):
                self._link(key, path)
                return key
            data = read()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        kind = sniff(data[:16])
        if modality == "video" and kind not in ("video/mp4", "video/webm"):
            self._frames(key, data)
        elif kind is None or not kind.startswith(modality):
            self.index[key] = {"type": modality, "why": "browsers cannot show this format"}
        elif not self._keep(key, kind, data):
            if path is not None:
                self._link(key, path)
            else:
                self.index[key] = {"type": modality, "why": "left out for its size; use --out DIR"}
        return key

    def _links(self, path: Path) -> bool:
        """Tell whether a file of the run directory is linked rather than put into the page."""
        too_large = self.policy == "embed" and path.stat().st_size > FILE_LIMIT
        return self.policy == "link" or too_large

    def _keep(self, key: str, kind: str, data: bytes) -> bool:
        """Embed or copy bytes. False when they are too many to embed."""
        if self.policy == "copy":
            name = f"media/{key[:2]}/{key}{_SUFFIX[kind]}"
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            self.index[key] = {"type": kind, "src": name}
            return True
        if len(data) > FILE_LIMIT or self.total + len(data) > self.limit:
            return False
        self.total += len(data)
        self.embedded[key] = (kind, data)
        self.index[key] = {"type": kind}
        return True

    def _link(self, key: str, path: Path) -> None:
        with path.open("rb") as file:
            kind = sniff(file.read(16))
        if kind is None:
            self.index[key] = {"type": "unknown", "why": "browsers cannot show this format"}
            return
        relative = os.path.relpath(path.resolve(), self.folder.resolve())
        self.index[key] = {"type": kind, "src": quote(Path(relative).as_posix())}

    def _frames(self, key: str, data: bytes) -> None:
        """Show a video that browsers cannot play by some of its frames."""
        if self.policy == "link":  # a run's own report must not cost the run any time
            why = "browsers cannot play this format; mio-eval report RUN --format html shows frames"
            self.index[key] = {"type": "video", "why": why}
            return
        frames = []
        try:
            for picture in _pictures(data):
                name = hashlib.sha256(picture).hexdigest()[:16]
                if name in self.index or self._keep(name, "image/jpeg", picture):
                    frames.append(name)
        except MioEvalError as error:  # PyAV is not installed
            self.index[key] = {"type": "video", "why": str(error)}
            return
        # The per-sample boundary of decoding: a broken video costs its own frames.
        except Exception as error:
            self.index[key] = {"type": "video", "why": f"cannot be decoded: {error}"[:200]}
            return
        self.index[key] = {"type": "video", "frames": frames}


def _pictures(data: bytes) -> Iterator[bytes]:
    """Yield frames of a video as small JPEG files."""
    from ...media.frames import parse_policy
    from ...media.video import load_frames

    video = Video(load=lambda: data, name="video")
    for image in load_frames(video, parse_policy(f"uniform:{FRAMES}")).images:
        image.thumbnail((FRAME_WIDTH, FRAME_WIDTH))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=80)
        yield buffer.getvalue()

"""How busy a model is while JPEG, FLAC and MP4 files are decoded for it; prints one JSON line.

The model sleeps a fixed time a batch, which a GPU's work looks like from the processor. `ours` runs
the engine, `naive` decodes a batch, then runs the model, in turns. Both hash every file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import av
import numpy as np
import PIL.Image
import soundfile
from result import Clock, report

from mio_eval.engine.batching import BatchSize
from mio_eval.engine.execute import Executor
from mio_eval.engine.prefetch import mapped_ahead
from mio_eval.media import load_audio, load_image
from mio_eval.media.frames import parse_policy
from mio_eval.media.video import load_frames
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.types import Audio, Capability, Image, Media, Request, Response, Text, Video

BATCH = 16
COUNT = 480
KINDS: tuple[type[Media], ...] = (Image,) * 6 + (Audio,) * 3 + (Video,)


class Sleeper(Backend):
    """Decodes ahead, and takes a fixed time for a batch."""

    name = "sleeper"
    capabilities = frozenset({Capability(frozenset({"image", "audio", "video"}), "text")})

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def prepare(self, request: Request) -> object:
        (part,) = request.parts
        if isinstance(part, Image):
            return load_image(part)
        if isinstance(part, Audio):
            return load_audio(part)
        return load_frames(part, parse_policy("uniform:8"))

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        assert all(request.prepared is not None for request in requests)
        time.sleep(self.seconds)
        for request in requests:
            yield Response(request.sample_id, Text("seen"))


def make_files(folder: Path) -> list[Media]:
    """Write photographs (640 × 480), 10 s of speech-like noise, 2 s of video (320 × 240)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    PIL.Image.fromarray(small).resize((640, 480)).save(folder / "a.jpg", quality=90)
    wave = np.cumsum(rng.normal(0, 0.01, 160_000)) % 1 - 0.5
    soundfile.write(folder / "a.flac", wave, 16_000)
    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 320, 240
        for number in range(50):
            picture = np.full((240, 320, 3), 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    names = {Image: "a.jpg", Audio: "a.flac", Video: "a.mp4"}
    # References of their own: each file is read, hashed and decoded each time.
    return [kind(folder / names[kind]) for _ in range(COUNT // len(KINDS)) for kind in KINDS]


def main(mode: str, folder: Path, seconds: float) -> None:
    """Measure one pass over all files."""
    files = make_files(folder)
    backend = Sleeper(seconds)

    def request(pair: tuple[int, Media]) -> Request:
        number, medium = pair
        return Request(str(number), (medium,), "text", key=medium.sha256)  # type: ignore[arg-type]

    clock = Clock()
    if mode == "naive":
        busy = 0.0
        for start in range(0, COUNT, BATCH):
            batch = [request((start + i, f)) for i, f in enumerate(files[start : start + BATCH])]
            decoded = [backend.prepare(one) for one in batch]
            begun = time.perf_counter()
            time.sleep(seconds)
            busy += time.perf_counter() - begun
            del decoded
        times = clock.read()
        report(**times, busy_share=busy / times["seconds"], n=COUNT)
        return
    executor = Executor(backend, 600, size=BatchSize(BATCH))
    requests = chain.from_iterable(mapped_ahead(executor.pool, request, enumerate(files)))
    answered = sum(r.failure is None for responses in executor.run(requests) for r in responses)
    times = clock.read()
    share = executor.meter.busy / times["seconds"]
    executor.close()
    report(**times, busy_share=share, n=answered, decode=executor.meter.decode)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))

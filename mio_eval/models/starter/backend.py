"""The `starter` backend: small pretrained models that come inside packages, on the CPU.

It needs no hub, no GPU and no account, so that a fresh machine gets real scores of real models.
It is a weak system, on purpose not tuned to any benchmark. `docs/starter.md` says what each part
is and how weak.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from importlib import import_module, metadata
from types import MappingProxyType
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import UsageError
from ...media import load_audio, load_image
from ...types import (
    Audio,
    Capability,
    Image,
    Json,
    Media,
    Modality,
    Part,
    Request,
    Response,
    Text,
    Video,
)
from ..base import Backend, ModelIdentity
from ..loglikelihood import LoglikelihoodRequest, LoglikelihoodResponse
from .answers import Prompt, Seen, answer, look, read_prompt
from .assets import ASSETS, fetch

if TYPE_CHECKING:
    import PIL.Image

    from .efficientnet import Classifier
    from .gan import FaceGenerator
    from .lm import LanguageModel
    from .tts import Speaker
    from .whisper import Transcriber

# Of ASSETS, all that it uses.
WEIGHTS = ("whisper-tiny.en", "efficientnet-lite0", "face-gan", "smollm2-135m-instruct")
VOICE = "hibari-tts"  # an ordinary dependency, with its voice inside
LIBRARIES = ("ctranslate2", "faster-whisper", "torch", "transformers")  # run the weights
MIDDLE_FRAME = "uniform:3"  # the first, the middle and the last frame; the middle one is used
INSTALL = "pip install 'mio-eval[starter]'"


def _can(inputs: str, output: Modality) -> Capability:
    names: dict[str, Modality] = {"t": "text", "i": "image", "a": "audio", "v": "video"}
    return Capability(frozenset(names[letter] for letter in inputs), output)


class Starter(Backend):
    """Packaged models: recognition, classification with priors, a voice, faces, text."""

    name = "starter"
    # Small judges of the same kind; a CLIP model comes in no package, so its metrics are left out.
    judges = MappingProxyType(
        {
            **{"asr": "starter", "speaker": "starter", "effnet": "starter"},
            **{"clip": "none", "aesthetic": "none"},
        }
    )
    capabilities = frozenset(
        {
            _can("t", "text"),
            _can("it", "text"),
            _can("at", "text"),
            _can("iat", "text"),
            _can("vt", "text"),
            _can("t", "audio"),
            _can("t", "image"),
        }
    )

    def __init__(self, threads: str = "1") -> None:
        if not threads.isdecimal() or int(threads) < 1:
            raise UsageError(f"model starter: threads={threads!r}, expected a number from 1 up")
        self._threads = int(threads)
        self._transcriber: Transcriber | None = None
        self._classifier: Classifier | None = None
        self._speaker: Speaker | None = None
        self._generator: FaceGenerator | None = None
        self._language: LanguageModel | None = None
        self._details: dict[str, Json] = {}

    def identity(self) -> ModelIdentity:
        used = {name: ASSETS[name] for name in WEIGHTS}
        voice = _version(VOICE)
        packages = [f"{asset.package}=={asset.version}" for asset in used.values()]
        return ModelIdentity(
            backend=self.name,
            name=self.name,
            version=__version__,
            revision="+".join([*packages, f"{VOICE}=={voice}"]),
            dtype="int8 (recognition), float32 (pictures, voice, 4-bit weights of text)",
            extra={
                **{name: asset.wheel_sha256 for name, asset in used.items()},
                "versions": {name: _version(name) for name in LIBRARIES},
            },
        )

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        if output == "audio":
            self._load_speaker()
        elif output == "image":
            self._load_generator()
        else:
            if "audio" in inputs:
                self._load_transcriber()
            if "video" in inputs:
                _need("av", "videos")
            if "image" in inputs or "video" in inputs:
                self._load_classifier()
            if set(inputs) == {"text"}:
                self._load_language()

    def loglikelihood(
        self, requests: Sequence[LoglikelihoodRequest]
    ) -> Iterator[LoglikelihoodResponse]:
        """Score continuations of text with the language model."""
        return self._load_language().loglikelihood(requests)

    def answer(self, request: Request) -> Part | Response:
        media = [part for part in request.parts if isinstance(part, Media)]
        text = "".join(part.text for part in request.parts if isinstance(part, Text))
        if request.want == "audio" and not media:
            return self._speak(text)
        if request.want == "image" and not media:
            return self._draw(text, request.seed)
        if request.want != "text":
            given = "+".join(part.modality for part in request.parts)
            raise ValueError(f"the starter does not turn {given} into {request.want}")
        self._details = {}
        reply = Text(self._reply(media, text))
        if not self._details:
            return reply
        return Response(request.sample_id, reply, details=self._details)

    def close(self) -> None:
        self._transcriber = self._classifier = self._speaker = self._generator = None
        self._language = None

    def _reply(self, media: Sequence[Media], text: str) -> str:
        """Answer in words: a transcript, a caption, or an answer to what the text asks."""
        sounds = [part for part in media if isinstance(part, Audio)]
        views = [part for part in media if isinstance(part, Image | Video)]
        if len(sounds) > 1 or len(views) > 1:
            raise ValueError(
                "the starter takes one image or video and one sound a request, "
                f"got {len(views)} and {len(sounds)}"
            )
        prompt = read_prompt(text)
        heard = self._transcribe(sounds[0]) if sounds and (prompt.options or not views) else ""
        if views:
            return self._describe(views[0], prompt, heard)
        if prompt.options:
            return answer(prompt, Seen(heard=heard))
        if sounds:
            return heard
        return self._load_language().reply(text)

    def _describe(self, view: Image | Video, prompt: Prompt, heard: str) -> str:
        """Caption a picture, or answer a question about it."""
        from .captioner import verbalise
        from .colours import dominant, mean_colours

        picture = self._picture(view)
        classifier = self._load_classifier()
        probabilities = classifier.probabilities([picture])[0].tolist()
        if not prompt.asks:
            return verbalise(probabilities, classifier.labels)
        colour = dominant(mean_colours(picture))
        return answer(prompt, look(probabilities, classifier.labels, colour, heard))

    def _picture(self, view: Image | Video) -> PIL.Image.Image:
        """Decode an image, or the middle frame of a video."""
        if isinstance(view, Image):
            return load_image(view)
        from ...media.frames import parse_policy
        from ...media.video import load_frames

        frames = load_frames(view, parse_policy(MIDDLE_FRAME))
        self._details["frames"] = {**frames.to_json(), "indices": frames.indices[1:2]}
        return frames.images[1]

    def _transcribe(self, sound: Audio) -> str:
        return self._load_transcriber().transcribe(load_audio(sound))

    def _speak(self, text: str) -> Audio:
        """Say the prompt as it is given, in 16-bit WAV."""
        import soundfile

        samples, rate = self._load_speaker().synthesise(text)
        stream = io.BytesIO()
        soundfile.write(stream, samples, rate, format="WAV", subtype="PCM_16")
        data = stream.getvalue()
        return Audio(load=lambda: data, name="speech.wav")

    def _draw(self, text: str, seed: int) -> Image:
        data = self._load_generator().png(text, seed)
        return Image(load=lambda: data, name="face.png")

    def _load_transcriber(self) -> Transcriber:
        if self._transcriber is None:
            from .whisper import Transcriber

            folder = fetch(ASSETS["whisper-tiny.en"], progress=self.say)
            self._transcriber = Transcriber(folder, threads=self._threads)
        return self._transcriber

    def _load_classifier(self) -> Classifier:
        if self._classifier is None:
            _need("torch", "pictures")
            from .efficientnet import Classifier

            folder = fetch(ASSETS["efficientnet-lite0"], progress=self.say)
            self._classifier = Classifier(folder / "efficientnet-lite0.pth", threads=self._threads)
        return self._classifier

    def _load_generator(self) -> FaceGenerator:
        if self._generator is None:
            _need("torch", "pictures")
            from .gan import WEIGHTS as FILE
            from .gan import FaceGenerator

            folder = fetch(ASSETS["face-gan"], progress=self.say)
            self._generator = FaceGenerator(folder / FILE, threads=self._threads)
        return self._generator

    def _load_language(self) -> LanguageModel:
        if self._language is None:
            for module in ("torch", "transformers", "gguf"):
                _need(module, "text")
            from .lm import LanguageModel

            folder = fetch(ASSETS["smollm2-135m-instruct"], progress=self.say)
            self._language = LanguageModel.from_gguf(folder, threads=self._threads)
        return self._language

    def _load_speaker(self) -> Speaker:
        if self._speaker is None:
            _need("soundfile", "speech")
            from .tts import Speaker

            self._speaker = Speaker(threads=self._threads)
        return self._speaker


def _need(module: str, purpose: str) -> None:
    """Raise a UsageError, before the first sample, when a package is missing."""
    try:
        import_module(module)
    except ImportError as error:
        raise UsageError(
            f"the starter needs {module} for {purpose} ({error}): {INSTALL}"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"

"""The parts around AnyGPT's language model, each loaded when a task first needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...types import Modality
from ..token_llm.parts import Parts, Placement
from .arguments import SPEECH_WEIGHTS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .soundstorm import SoundStorm


@dataclass(frozen=True, slots=True)
class Storm:
    """Where SoundStorm is, and how it fills in acoustic codes."""

    path: Path
    steps: int = 3
    greedy: bool = True


class AnyGptParts(Parts):
    """The parts, with SoundStorm between the codes that are written and the codes that sound."""

    speech_weights = SPEECH_WEIGHTS

    def __init__(self, placement: Placement, storm: Storm) -> None:
        super().__init__(placement)
        self.storm = storm
        self._soundstorm: SoundStorm | None = None

    @property
    def soundstorm(self) -> SoundStorm:
        """What fills in how speech sounds."""
        if self._soundstorm is None:
            from .soundstorm import SoundStorm

            self._soundstorm = SoundStorm.from_file(self.storm.path, self.placement.device)
        return self._soundstorm

    def load(self, inputs: Sequence[Modality], output: Modality) -> None:
        super().load(inputs, output)
        if output == "audio":
            _ = self.soundstorm

    def weights(self, inputs: Sequence[Modality], output: Modality) -> dict[str, float]:
        need = super().weights(inputs, output)
        if output == "audio" and self.storm.path.is_file():
            need["SoundStorm"] = float(self.storm.path.stat().st_size)
        return need

    def say(
        self, codes: Sequence[int], voice: npt.NDArray[np.float32] | None, seed: int
    ) -> npt.NDArray[np.float32]:
        """Return the wave of semantic codes, in the voice of a mono wave or in any."""
        prompt = None if voice is None else self.speech.encode(voice)
        heard = self.soundstorm.fill(
            codes, prompt, seed=seed, steps=self.storm.steps, greedy=self.storm.greedy
        )
        return self.speech.decode(heard)

    def close(self) -> None:
        super().close()
        self._soundstorm = None

"""SoundStorm: how speech sounds, filled in from what is said and, if given, a voice to imitate.

AnyGPT's language model writes the first code of each step of SpeechTokenizer alone; this network
guesses the other seven. Borsos et al., "SoundStorm" (2023), section 3.3; reference implementation
OpenMOSS/AnyGPT (`SoundStorm.generate`). What the release does beside the paper is kept, because it
decides what is heard: the prompt counts among the steps to fill in; confidence is compared over all
levels at once; from the second level on the prompt's own codes are guessed over as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import UsageError
from .conformer import HEADS, Conformer, rename, sizes_of

STEPS = 3  # of the first level (`vc_steps` of config/generate_config.json, which the release reads)
KEPT = 0.7  # a sampled code is one of the likeliest 30 %
_TINY = 1e-10


class SoundStorm(nn.Module):
    """The decoder around the network; use `from_file` to load one."""

    def __init__(self, network: Conformer) -> None:
        super().__init__()
        self.network = network

    @classmethod
    def from_file(cls, path: Path, device: str = "cpu", heads: int = HEADS) -> SoundStorm:
        """Load a released checkpoint, in float32. Raises UsageError."""
        try:
            state = rename(torch.load(path, map_location="cpu", weights_only=True))
            with torch.device("meta"):
                network = Conformer(sizes_of(state, heads))
            # einops keeps the bias with axes of length one before it.
            state["head_bias"] = state["head_bias"].reshape(network.head_bias.shape)
            network.load_state_dict(state, assign=True)
        except FileNotFoundError as error:
            raise UsageError(f"{path} does not exist; give AnyGPT's SoundStorm file") from error
        # torch raises many types for a file that is no checkpoint, or another network's.
        except Exception as error:
            raise UsageError(
                f"{path} is not the SoundStorm that AnyGPT was released with: "
                f"{' '.join(str(error).split())[:300]}"
            ) from error
        return cls(network).to(device).eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.head.device

    @torch.inference_mode()
    def fill(
        self,
        semantic: Sequence[int],
        voice: Tensor | None = None,
        *,
        seed: int = 0,
        steps: int = STEPS,
        greedy: bool = True,
    ) -> Tensor:
        """Return all codes, shape (1 + levels, steps), of semantic codes.

        Args:
            semantic: the codes of what is said, one a step.
            voice: codes of a voice prompt, shape (1 + levels, steps); the first row is semantic.
            seed: of the random numbers that the release draws unseeded.
            steps: rounds in which the first acoustic level is filled in, beside a last one.
            greedy: take the likeliest code where a round is a level's last, as the release does.
        """
        sizes, device = self.network.sizes, self.device
        said = torch.tensor([list(semantic)], device=device)
        length = said.shape[1]
        sound = torch.full((1, length, sizes.levels), sizes.codes, device=device)
        if voice is not None:
            prompt = voice.to(device).T[None]
            said = torch.cat((prompt[..., 0], said), 1)
            sound = torch.cat((prompt[..., 1:], sound), 1)
        wanted = sound == sizes.codes
        wanted[:, : said.shape[1] - length] = False
        noise = torch.Generator("cpu").manual_seed(seed)
        sound = self._first(said, sound, wanted, noise, steps, greedy)
        for level in range(1, sizes.levels):
            logits = self.network(said, sound)
            codes = logits.argmax(-1) if greedy else _sample(logits, 0.0, noise)[0]
            sound[:, :, level:] = codes[:, :, level:]
        return torch.cat((said[0, -length:, None], sound[0, -length:]), 1).T

    def _first(
        self,
        said: Tensor,
        sound: Tensor,
        wanted: Tensor,
        noise: torch.Generator,
        steps: int,
        greedy: bool,
    ) -> Tensor:
        """Fill in the first level, the surest codes first; the others get a first guess."""
        times = torch.linspace(0.0, 1.0, steps + 1)
        left = (torch.cos(times * math.pi / 2) * said.shape[1]).long().tolist()
        open_ = wanted
        for number, unsure in enumerate(left):
            logits = self.network(said, sound)
            if greedy and unsure == 0:
                codes = logits.argmax(-1)
            else:
                codes, logits = _sample(logits, number / steps, noise)
            sound = torch.where(open_, codes, sound)
            if unsure == 0:
                continue
            doubt = 1 - logits.softmax(-1)
            doubt = doubt.gather(3, codes[..., None])[..., 0].flatten(1)
            rank = doubt.argsort(-1, descending=True).argsort(-1).view(sound.shape)
            open_ = rank < unsure
            open_[:, :, 1:] = True
            open_ &= wanted
            sound = sound.masked_fill(open_, self.network.sizes.codes)
        return sound


def _sample(logits: Tensor, temperature: float, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw codes by Gumbel's trick; returns them and the logits, −∞ for what may not come."""
    count = math.ceil((1 - KEPT) * logits.shape[-1])
    best, where = logits.topk(count, -1)
    kept = torch.full_like(logits, -math.inf).scatter(-1, where, best)
    # Drawn on the CPU, so that a seed means the same on every device.
    drawn = torch.rand(logits.shape, generator=noise, dtype=torch.float32).to(logits)
    gumbel = -torch.log(-torch.log(drawn + _TINY) + _TINY)
    return (kept / max(temperature, _TINY) + gumbel).argmax(-1), kept

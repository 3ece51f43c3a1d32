"""SoundStorm against what its released code filled in with the same weights and random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models.anygpt.release import write_storm
from reference.soundstorm import (
    CASES,
    CODES,
    LEVELS,
    PROMPT,
    SEED,
    SMALL,
    STEPS,
    codes_of,
)

from mio_eval.errors import UsageError
from mio_eval.models.anygpt.soundstorm import SoundStorm

GOLDEN = Path(__file__).parents[2] / "golden" / "anygpt" / "soundstorm.npz"


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> SoundStorm:
    path = write_storm(tmp_path_factory.mktemp("storm") / "storm.pt")
    return SoundStorm.from_file(path, heads=SMALL["heads"])


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN))


def voice() -> torch.Tensor:
    return torch.from_numpy(codes_of("voice", (1, PROMPT, 1 + LEVELS)))[0].T


@pytest.mark.parametrize("name", CASES)
def test_codes_equal_the_reference(
    storm: SoundStorm, golden: dict[str, np.ndarray], name: str
) -> None:
    steps, with_voice, greedy = CASES[name]
    said = codes_of("said", (1, STEPS))[0].tolist()
    found = storm.fill(said, voice() if with_voice else None, seed=SEED, steps=steps, greedy=greedy)
    assert found.tolist() == golden[name].tolist()
    assert found[0].tolist() == said
    assert found.shape == (1 + LEVELS, STEPS)
    assert len(np.unique(golden[name][1:])) > 100  # a constant would agree too easily


def test_cases_differ(golden: dict[str, np.ndarray]) -> None:
    arrays = [golden[name].tolist() for name in CASES]
    assert len({str(array) for array in arrays}) == len(CASES)


def test_logits_equal_the_reference(storm: SoundStorm, golden: dict[str, np.ndarray]) -> None:
    said = torch.from_numpy(codes_of("said", (1, STEPS)))
    known = torch.from_numpy(codes_of("sound", (1, STEPS, LEVELS)))
    known[:, STEPS // 2 :, 1:] = CODES
    with torch.inference_mode():
        logits = storm.network(said, known)[0, ..., ::97].numpy()
    assert golden["logits"].std() > 0.5
    np.testing.assert_allclose(logits, golden["logits"], rtol=1e-4, atol=1e-4)


def test_the_seed_decides_what_is_drawn(storm: SoundStorm) -> None:
    said = codes_of("said", (1, STEPS))[0].tolist()
    one, again, other = (storm.fill(said, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_global_random_numbers_are_left_alone(storm: SoundStorm) -> None:
    before = torch.get_rng_state()
    storm.fill([1, 2, 3])
    assert torch.equal(before, torch.get_rng_state())


def test_a_file_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        SoundStorm.from_file(tmp_path / "nothing.pt")
    path = write_storm(tmp_path / "storm.pt")
    state = torch.load(path, weights_only=True)
    del state["net.conformer.layers.1.conv.net2.1.gamma"]
    torch.save(state, path)
    with pytest.raises(UsageError, match=r"blocks\.1\.conv\.gamma"):
        SoundStorm.from_file(path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match="not the SoundStorm"):
        SoundStorm.from_file(path)

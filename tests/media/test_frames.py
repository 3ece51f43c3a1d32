"""Frame policies: parsing, signatures, and the index rules against their definitions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mio_eval.errors import UsageError
from mio_eval.media.frames import (
    MAX_COUNT,
    FramePolicy,
    SceneCutter,
    fps_indices,
    parse_policy,
    scene_indices,
    uniform_indices,
    vita_indices,
)

TOTALS = st.integers(1, 200_000)
SMALL_TOTALS = st.integers(1, 3_000)


def steady(total: int, fps: float) -> list[float]:
    return [index / fps for index in range(total)]


@st.composite
def uneven_times(draw: st.DrawFn) -> list[float]:
    gaps = draw(st.lists(st.integers(0, 5_000), max_size=80))
    return [0.0, *(float(ms) / 1000 for ms in np.cumsum(gaps))]


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("uniform:8", "uniform:8"),
        (" uniform:08 ", "uniform:8"),
        ("fps:1", "fps:1"),
        ("fps:1.0", "fps:1"),
        ("fps:0.50,max=32", "fps:0.5,max=32"),
        ("fps:29.97", "fps:29.97"),
        ("fps:100", "fps:100"),
        ("fps:0.000000001", "fps:0.000000001"),
        ("vita", "vita"),
        ("mio-scenes", "mio-scenes"),
    ],
)
def test_a_policy_has_one_spelling(text: str, signature: str) -> None:
    policy = parse_policy(text)
    assert policy.signature == signature
    assert parse_policy(policy.signature) == policy


@given(st.integers(1, 10**12 - 1), st.integers(0, MAX_COUNT))
def test_rates_survive_the_round_trip(billionths: int, count: int) -> None:
    policy = FramePolicy("fps", count=count, rate=billionths / 10**9)
    assert parse_policy(policy.signature) == policy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform", "expected uniform:N"),
        ("uniform:0", "from 1 to"),
        ("uniform:8.5", "whole number"),
        ("uniform:-1", "expected uniform:N"),
        ("uniform:٨", "expected uniform:N"),
        ("uniform:99999999", "from 1 to 10000"),
        ("fps", "expected fps:R"),
        ("fps:0", "above 0"),
        ("fps:nan", "expected fps:R"),
        ("fps:1e3", "expected fps:R"),
        ("fps:1,max=0", "N from 1"),
        ("fps:1,min=3", "expected fps:R"),
        ("fps:9999", "up to 1000"),
        ("unifrom:8", "did you mean uniform:N"),
        ("vita:8", "did you mean vita"),
        ("", "known: "),
        ("every frame please", "mio-scenes"),
    ],
)
def test_a_wrong_policy_says_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        parse_policy(text)


@given(TOTALS, st.integers(1, 500))
def test_uniform_is_numpy_linspace(total: int, n: int) -> None:
    picked = uniform_indices(total, n)
    assert picked == np.linspace(0, total - 1, n, dtype=int).tolist()
    assert picked == uniform_indices(total, n)
    assert picked == sorted(picked)
    assert len(picked) == n
    assert picked[0] == 0
    assert n == 1 or picked[-1] == total - 1
    if total >= n:
        assert len(set(picked)) == n
    else:
        assert set(picked) == set(range(total))


def test_uniform_known_values() -> None:
    assert uniform_indices(100, 8) == [0, 14, 28, 42, 56, 70, 84, 99]  # 14.14, not rounded up
    assert uniform_indices(8, 8) == list(range(8))
    assert uniform_indices(3, 5) == [0, 0, 1, 1, 2]
    assert uniform_indices(1, 4) == [0, 0, 0, 0]
    assert uniform_indices(50, 1) == [0]


@given(SMALL_TOTALS, st.sampled_from([5.0, 10.0, 23.976, 25.0, 29.97, 30.0, 60.0]))
def test_vita_follows_its_rule(total: int, fps: float) -> None:
    picked = vita_indices(total, fps)
    positions = np.arange(0, total, round(fps))
    wanted = len(positions)
    if wanted > 16:
        positions = positions[np.linspace(0, wanted - 1, num=16, dtype=int)]
    elif wanted < 4:
        positions = positions[np.linspace(0, wanted - 1, num=4, dtype=int)]
    assert picked == positions.tolist()
    assert 4 <= len(picked) <= 16
    assert picked == sorted(picked)
    assert picked[-1] < total


def test_vita_known_values() -> None:
    assert vita_indices(250, 25.0) == list(range(0, 250, 25))
    assert vita_indices(75, 25.0) == [0, 0, 25, 50]  # three seconds: linspace 0, 0.67, 1.33, 2
    assert vita_indices(20, 25.0) == [0, 0, 0, 0]
    assert vita_indices(3000, 30.0)[-1] == 2970
    assert vita_indices(5, 0.4) == list(range(5))  # the original divides by zero here


@given(SMALL_TOTALS, st.sampled_from([5, 10, 25, 30, 60]), st.sampled_from([0.5, 1, 2, 5]))
def test_fps_on_a_steady_video_takes_every_so_many_frames(total: int, fps: int, rate: int) -> None:
    picked = fps_indices(steady(total, fps), rate)
    assert picked == [int(k * fps / rate) for k in range(total) if k * fps / rate <= total - 1]


@given(uneven_times(), st.floats(0.05, 100), st.integers(1, 20))
def test_fps_takes_the_frame_on_screen(times: list[float], rate: float, limit: int) -> None:
    picked = fps_indices(times, rate)
    assert picked == sorted(set(picked))
    assert picked[0] >= 0
    assert picked[-1] < len(times)
    on_screen = set()
    tick = 0
    while tick / rate <= times[-1] + 0.001:
        on_screen.add(sum(time - 0.001 <= tick / rate for time in times) - 1)
        tick += 1
    # At the very edge of the tolerance the two ways to compute may round differently.
    edges = {i for i, time in enumerate(times) if abs((time - 0.001) * rate % 1 - 0.5) > 0.5 - 1e-6}
    if not edges and abs((times[-1] + 0.001) * rate % 1 - 0.5) < 0.5 - 1e-6:
        assert set(picked) == on_screen
    thinned = fps_indices(times, rate, limit)
    assert len(thinned) == min(limit, len(picked))
    assert set(thinned) <= set(picked)


def test_fps_known_values() -> None:
    # A slide stays on screen for five seconds: it is taken once.
    assert fps_indices([0.0, 0.5, 5.5, 6.0], 1) == [0, 1, 3]
    # Matroska rounds 1/30 s to whole milliseconds; no frame may get lost by it.
    rounded = [round(index / 30, 3) for index in range(90)]
    assert fps_indices(rounded, 30) == list(range(90))
    assert fps_indices(rounded, 1) == [0, 30, 60]
    # A source slower than the rate gives all it has.
    assert fps_indices([0.0, 1.0, 2.0], 10) == [0, 1, 2]
    assert fps_indices(steady(1000, 25), 1, 4) == [0, 325, 650, 975]


@given(st.lists(st.integers(-5, 700)), st.integers(1, 600))
def test_scenes_give_one_middle_frame_each(cuts: list[int], total: int) -> None:
    picked = scene_indices(cuts, total)
    assert picked == sorted(set(picked))
    assert picked[-1] < total
    starts = sorted({cut for cut in cuts if 0 < cut < total})
    if starts:
        bounds = [0, *starts, total]
        assert len(picked) == len(starts) + 1
        for start, end, index in zip(bounds, bounds[1:], picked, strict=False):
            assert list(range(start, end))[(end - start) // 2] == index
    else:
        assert picked == list(range(0, total, max(1, total // 10)))


def test_scene_known_values() -> None:
    assert scene_indices([20, 50], 60) == [10, 35, 55]
    assert scene_indices([], 100) == list(range(0, 100, 10))
    assert len(scene_indices([], 105)) == 11
    assert scene_indices([], 7) == list(range(7))


@pytest.mark.parametrize("text", ["uniform:4", "fps:1", "vita", "mio-scenes"])
def test_policies_pick_from_times(text: str) -> None:
    policy = parse_policy(text)
    times = steady(100, 10)
    expected = {
        "uniform:4": uniform_indices(100, 4),
        "fps:1": list(range(0, 100, 10)),
        "vita": list(range(0, 100, 10)),
        "mio-scenes": [20, 70],
    }
    assert policy.indices(times, 10.0, cuts=[40]) == expected[text]
    assert policy.reads_pixels == (text == "mio-scenes")
    with pytest.raises(ValueError, match="at least 1 frame"):
        policy.indices([], 10.0)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        uniform_indices(5, 0)
    with pytest.raises(ValueError, match="positive rate"):
        fps_indices([0.0], 0)


def test_scenes_need_pyscenedetect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    with pytest.raises(UsageError, match=r"mio-eval\[video\]"):
        SceneCutter()


def test_cutter_is_pyscenedetect() -> None:
    """Against PySceneDetect's own way through a video, at widths that need no scaling."""
    pytest.importorskip("cv2")
    scenedetect = pytest.importorskip("scenedetect")
    rng = np.random.default_rng(0)
    scenes = [(rng.integers(0, 255, (36, 48, 3)), length) for length in (20, 30, 5, 4, 40)]
    pictures = [
        np.clip(base + rng.integers(-4, 4, base.shape), 0, 255).astype(np.uint8)
        for base, length in scenes
        for _ in range(length)
    ]
    cutter, detector = SceneCutter(), scenedetect.ContentDetector()
    expected = []
    for index, picture in enumerate(pictures):
        cutter.add(picture, 48)
        found = detector.process_frame(scenedetect.FrameTimecode(index, fps=30.0), picture)
        expected += [cut.frame_num for cut in found]
    assert cutter.cuts == expected
    assert cutter.cuts[:2] == [20, 50]


def test_cutter_scales_wide_frames_and_skips_other_sizes() -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("scenedetect")
    cutter = SceneCutter()
    dark, light = (np.full((20, 1024, 3), value, np.uint8) for value in (10, 240))
    for picture in [dark] * 20 + [light[:10]] + [light] * 20:
        cutter.add(picture, 1024)
    assert cutter.cuts == [21]

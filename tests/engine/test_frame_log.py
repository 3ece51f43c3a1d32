"""Which frames of a video were shown is in the sample log; a video without frames is a failure."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")

from media.clips import numbered, write_clip

from mio_eval.engine import Options, RunResult, evaluate
from mio_eval.engine.journal import read_journal
from mio_eval.media.frames import parse_policy
from mio_eval.media.video import load_frames
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.types import Capability, Request, Response, Text, Video

FRAMES = 17


class Watcher(Backend):
    """Looks at the frames that the task's policy picks."""

    name = "watcher"
    capabilities = frozenset({Capability(frozenset({"video", "text"}), "text")})

    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.name, "1")

    def answer(self, request: Request) -> Response:
        (video,) = (part for part in request.parts if isinstance(part, Video))
        frames = load_frames(video, parse_policy(request.settings["frames"]))
        details = {"frames": frames.to_json()}
        return Response(request.sample_id, Text("cat"), details=details)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A whole video, an empty file, a sound where a video should be, and rubbish."""
    root = tmp_path / "data" / "msvd_qa"
    (root / "video").mkdir(parents=True)
    names = ("whole", "empty", "sound", "rubbish")
    rows = [{"id": i, "video_id": i, "question": "what is it?", "answer": "cat"} for i in range(4)]
    (root / "test_qa.json").write_text(json.dumps(rows))
    lines = [f"{name} vid{i}" for i, name in enumerate(names)]
    (root / "youtube_mapping.txt").write_text("\n".join(lines))
    write_clip(root / "video" / "whole.avi", [numbered(i) for i in range(FRAMES)])
    (root / "video" / "empty.avi").write_bytes(b"")
    with wave.open(str(root / "video" / "sound.avi"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    (root / "video" / "rubbish.avi").write_bytes(b"RIFF" + bytes(range(256)) * 8)
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(out: str = "runs") -> RunResult:
        monkeypatch.setattr("mio_eval.engine.plan.create_model", lambda name, args: Watcher())
        options = Options(
            ("msvd_qa",), model="watcher", data_dir=str(data), out=str(tmp_path / out)
        )
        return evaluate(options)

    return call


def records(result: RunResult) -> dict[str, Any]:
    return {row["id"]: row for row in read_journal(result.path / "msvd_qa" / "samples.jsonl")}


def test_the_frames_shown_are_logged(run: Any) -> None:
    whole = records(run())["0"]
    # np.linspace(0, 16, 8, dtype=int), by hand
    indices = [0, 2, 4, 6, 9, 11, 13, 16]
    expected = {"policy": "uniform:8", "indices": indices, "total": FRAMES}
    assert whole["details"] == {"frames": expected}


def test_an_answer_from_the_cache_keeps_its_frames(run: Any) -> None:
    first = run()
    assert first.failed
    for path in first.path.rglob("samples.jsonl"):
        path.unlink()
    again = records(run())["0"]
    assert again["timing"]["cached"]
    assert again["details"]["frames"]["total"] == FRAMES


def test_a_video_without_a_frame_is_a_failed_sample(run: Any) -> None:
    result = run()
    found = records(result)
    assert [found[i]["status"] for i in "0123"] == ["ok", "failed", "failed", "failed"]
    assert {found[i]["error"]["stage"] for i in "123"} == {"decode"}
    score = result.scores["msvd_qa"]["vqa_exact"]
    assert (score["n_scored"], score["n_failed"], score["value"]) == (1, 3, 100.0)
    assert result.failed


@pytest.mark.starter
def test_the_starter_logs_its_frame(tmp_path: Path) -> None:
    result = evaluate(Options(("msvd_qa",), limit=1, out=str(tmp_path / "runs")))
    (record,) = records(result).values()
    frames = record["details"]["frames"]
    assert frames["policy"] == "uniform:3"
    assert frames["indices"] == [(frames["total"] - 1) // 2]

"""Outputs made elsewhere: which ones they are decides what may be found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import write_jsonl
from engine.worlds import World, make_world, records_of

from mio_eval.engine import Options, evaluate
from mio_eval.models import create_model

pytest.importorskip("PIL")
IDS = [str(1000 + i) for i in range(12)]


@pytest.fixture
def world(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, data_dir, monkeypatch)


def draw(folder: Path, grey: int) -> None:
    """Write a picture for every sample, all of one grey."""
    from PIL import Image

    for name in IDS:
        Image.new("RGB", (8, 8), (grey, grey, grey)).save(folder / f"{name}.png")


def test_media_made_anew_under_their_names_are_scored_anew(world: World) -> None:
    path = write_jsonl(
        world.root / "predictions.jsonl", [{"id": i, "image": f"{i}.png"} for i in IDS]
    )

    def outputs() -> set[str]:
        options = Options(
            tasks=("drawings",),
            model="predictions",
            model_args={"path": str(path)},
            data_dir=str(world.data),
            out=str(world.out),
        )
        result = evaluate(options)
        assert not result.failed, json.dumps(result.data["results"])
        return {r["output"]["sha256"] for r in records_of(result.path, "drawings").values()}

    draw(world.root, 10)
    first = outputs()
    draw(world.root, 200)
    second = outputs()
    assert len(first) == len(second) == 1
    assert first != second


def test_a_text_files_name_is_its_hash_alone(tmp_path: Path) -> None:
    """Where it lies, and what lies beside it, does not matter."""
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "a.png"}])
    first = create_model("predictions", {"path": str(path), "name": "m"}).identity()
    (tmp_path / "a.png").write_bytes(b"beside it")
    moved = path.rename(tmp_path / "b.jsonl")
    assert create_model("predictions", {"path": str(moved), "name": "m"}).identity() == first

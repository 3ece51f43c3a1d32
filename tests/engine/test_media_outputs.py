"""Images and sounds that a model makes: files by content, hostile names never used."""

from __future__ import annotations

import errno
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from engine.backends_for_tests import Drawing
from engine.worlds import World, read_run, records_of

from mio_eval.engine import RunResult, generate, resume
from mio_eval.errors import RunError
from mio_eval.verify import verify

PATHS = {
    "drawings": re.compile(r"media/[0-9a-f]{2}/[0-9a-f]{64}\.(png|jpg)"),
    "sounds": re.compile(r"media/[0-9a-f]{2}/[0-9a-f]{64}\.wav"),
}

SUFFIXES = {".json", ".jsonl", ".png", ".jpg", ".sqlite"}


def draw(world: World, task: str = "drawings", noise: str = "", **options: Any) -> RunResult:
    arguments = {"noise": noise, **options.pop("model_args", {})}
    return world.evaluate("Drawing", tasks=(task,), model_args=arguments, **options)


def outputs_of(run: Path, task: str = "drawings") -> dict[str, dict[str, str]]:
    return {name: record["output"] for name, record in records_of(run, task).items()}


def everything(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("task", ["drawings", "sounds"])
def test_media_are_files_by_content(world: World, task: str) -> None:
    result = draw(world, task)
    assert not result.failed
    outputs = outputs_of(result.path, task)
    assert len(outputs) == 12
    for output in outputs.values():
        modality = "image" if task == "drawings" else "audio"
        assert output.keys() == {modality, "sha256"}
        name = output[modality]
        assert PATHS[task].fullmatch(name)
        data = (result.path / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == output["sha256"]
        assert output["sha256"] in name
        assert result.data["files"][name]["sha256"] == output["sha256"]
    assert verify(result.path).ok


def test_hostile_names_are_never_used(world: World) -> None:
    before = everything(world.root)
    result = draw(world)
    assert len(Drawing.names) > 5
    made = everything(world.root) - before - {world.log}
    for path in made:
        assert path.is_relative_to(world.out)
        assert re.fullmatch(r"[\w.@/-]+", str(path.relative_to(world.out)))
        assert path.name == ".lock" or path.suffix in SUFFIXES
    assert len(outputs_of(result.path)) == 12


def test_media_are_found_again_in_a_new_run(world: World) -> None:
    first = draw(world)
    second = draw(world, limit=9)
    assert len(world.started()) == 12
    outputs = outputs_of(second.path)
    assert len(outputs) == 9
    assert outputs == {n: o for n, o in outputs_of(first.path).items() if n in outputs}
    for output in outputs.values():
        assert (second.path / output["image"]).is_file()
    assert verify(second.path).ok


@pytest.mark.parametrize("damage", ["deleted", "changed", "empty"])
def test_a_lost_medium_is_made_again(world: World, damage: str) -> None:
    first = draw(world)
    lost = outputs_of(first.path)["1003"]
    cached = world.out / ".cache" / lost["image"]
    assert cached.is_file()
    cached.unlink()
    if damage != "deleted":
        cached.write_bytes(b"" if damage == "empty" else b"something else")

    second = draw(world, limit=11)
    assert world.started()[12:] == ["1003"]
    assert outputs_of(second.path)["1003"] == lost
    assert verify(second.path).ok
    third = draw(world, limit=10)
    assert len(world.started()) == 13
    assert outputs_of(third.path)["1003"] == lost


def test_a_medium_made_again_takes_the_place_of_the_lost_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = draw(world)
    lost = outputs_of(first.path)["1003"]
    (world.out / ".cache" / lost["image"]).unlink()
    real = Drawing.answer

    def other(self: Drawing, request: Any) -> Any:
        self.rest["noise"] = "another"
        return real(self, request)

    monkeypatch.setattr(Drawing, "answer", other)
    second = draw(world, limit=11)
    fresh = outputs_of(second.path)["1003"]
    assert fresh != lost
    third = draw(world, limit=10)
    assert outputs_of(third.path)["1003"] == fresh
    assert len(world.started()) == 13
    assert outputs_of(first.path)["1003"] == lost
    assert verify(first.path).ok


def test_a_medium_lost_from_a_run_is_put_back_when_it_goes_on(world: World) -> None:
    run = draw(world).path
    output = outputs_of(run)["1005"]
    (run / output["image"]).unlink()
    assert [p for p in verify(run).problems if "the file is gone" in p]
    resume(run, {})
    assert len(world.started()) == 12, "the cache still had it"
    assert verify(run).ok
    (run / output["image"]).unlink()
    resume(run, {"cache": False})
    assert world.started()[12:] == ["1005"]
    assert verify(run).ok


def test_bytes_that_cannot_be_made_fail_their_sample_alone(world: World) -> None:
    result = draw(world, model_args={"broken": "1004"})
    assert result.failed
    errors = {n: r["error"] for n, r in records_of(result.path, "drawings").items() if r["error"]}
    assert errors == {
        "1004": {"stage": "generate", "type": "ValueError", "message": "the encoder failed"}
    }


def test_a_full_disk_is_no_failed_sample(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = generate.write_atomic

    def full(path: Path, chunks: list[bytes]) -> None:
        if path.parts[-3] == "media":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, chunks)

    monkeypatch.setattr(generate, "write_atomic", full)
    with pytest.raises(RunError, match="No space left on device"):
        draw(world)
    (run,) = world.runs()
    assert read_run(run)["status"] == "failed"
    assert not records_of(run, "drawings")
    monkeypatch.setattr(generate, "write_atomic", real)
    assert not draw(world).failed
    assert world.runs() == [run]


def test_predicted_media_are_copied_into_the_run(world: World) -> None:
    folder = world.root / "made"
    folder.mkdir()
    lines = []
    for index in range(12):
        (folder / f"{index}.png").write_bytes(b"png %d" % index)
        lines.append(f'{{"id":"{1000 + index}","image":"{index}.png"}}\n')
    (folder / "11.png").unlink()
    path = folder / "p.jsonl"
    path.write_text("".join(lines))
    from mio_eval.engine import Options, evaluate

    options = Options(
        ("drawings",),
        model="predictions",
        model_args={"path": str(path)},
        data_dir=str(world.data),
        out=str(world.out),
    )
    result = evaluate(options)
    records = records_of(result.path, "drawings")
    assert (result.path / records["1007"]["output"]["image"]).read_bytes() == b"png 7"
    assert records["1011"]["error"]["stage"] == "data"
    assert records["1011"]["error"]["type"] == "FileNotFoundError"

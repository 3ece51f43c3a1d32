"""`verify` recomputes a run without its model, and names whatever was changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine.worlds import World, make_world, read_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mio_eval.cli import main
from mio_eval.verify import verify

WITHOUT_TORCH = """
import sys
for name in ("torch", "PIL", "soundfile", "soxr", "datasets", "engine"):
    sys.modules[name] = None
from mio_eval.cli import main
main(["verify", sys.argv[1]])
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run with text and images, and one failed sample."""
    from conftest import write_coco, write_librispeech

    root = tmp_path_factory.mktemp("verify")
    write_coco(root / "data")
    write_librispeech(root / "data")
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = make_world(root, root / "data", monkeypatch)
        yield world.evaluate(
            "Scripted",
            tasks=("captions", "speech"),
            model_args=world.script({"1003": "raise"}),
            max_failures="1",
        ).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def problems(run: Path) -> str:
    found = verify(run)
    assert found.ok is not bool(found.problems)
    return "\n".join(found.problems)


def hide(run: Path) -> None:
    """Make the recorded hashes fit the files, as a careful forger would."""
    data = read_run(run)
    for name, facts in data["files"].items():
        content = (run / name).read_bytes()
        facts.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    (run / "run.json").write_text(json.dumps(data))


def edit_line(path: Path, name: str, change: Callable[[Any], None]) -> None:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    for line in lines:
        if line["id"] == name:
            change(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_a_normal_run_passes_without_torch_media_or_model(run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(run)],
        capture_output=True,
        text=True,
        check=False,
        cwd=run.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DIFFERS" not in done.stdout
    assert done.stdout.splitlines()[-1] == f"{run}: verified"
    assert "statistics of cider, bleu4, rouge_l from 11 outputs and references" in done.stdout


def change_output(line: Any) -> None:
    line["output"]["text"] = line["references"][1]


def change_reference(line: Any) -> None:
    line["references"][0] = "quite another sentence"


def change_statistics(line: Any) -> None:
    line["stats"]["cider"][0] += 1


def change_score(line: Any) -> None:
    line["scores"]["bleu4"] = 100.0


def change_to_failed(line: Any) -> None:
    error = {"stage": "generate", "type": "X", "message": ""}
    line.update(status="failed", output=None, error=error)


EDITS: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "output": ("samples.jsonl", change_output, "other statistics than stored: 1005"),
    "reference": ("samples.jsonl", change_reference, "other statistics than stored: 1005"),
    "failed": ("samples.jsonl", change_to_failed, "2 failed samples"),
    "statistics": ("stats.jsonl", change_statistics, "cider: 1 samples have other statistics"),
    "score": ("stats.jsonl", change_score, "bleu4: 1 samples have other statistics"),
    "split reference": ("references.jsonl", change_reference, "cider: "),
}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("edit", EDITS)
def test_a_changed_line_is_named(run: Path, edit: str, hidden: bool) -> None:
    """With the hashes corrected too, the numbers still do not fit."""
    file, change, message = EDITS[edit]
    edit_line(run / "captions" / file, "1005", change)
    if hidden:
        hide(run)
    found = problems(run)
    assert (f"captions/{file}: sha256 differs" in found) is not hidden
    assert message in found


@pytest.mark.parametrize("file", ["samples.jsonl", "stats.jsonl", "references.jsonl"])
@pytest.mark.parametrize("place", [0, 5, -1])
def test_a_removed_line_is_noticed(run: Path, file: str, place: int) -> None:
    path = run / "captions" / file
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[place]
    path.write_bytes(b"".join(lines))
    assert f"captions/{file}: sha256 differs" in problems(run)
    hide(run)
    assert "captions: " in problems(run)


@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
def test_one_changed_byte_anywhere_is_noticed(run: Path, data: st.DataObject) -> None:
    files = [f"{t}/{f}.jsonl" for t in ("captions", "speech") for f in ("samples", "stats")]
    name = data.draw(st.sampled_from([*files, "captions/references.jsonl"]))
    path = run / name
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != whole[place]))
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    try:
        assert f"{name}: sha256 differs" in problems(run)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("value", 99.9), ("ci_low", 0.0), ("ci_high", None), ("confidence", 0.9)),
        *(("n_expected", 11), ("n_scored", 12), ("n_failed", 0), ("unit", "%")),
        *(("higher_is_better", False), ("signature", "cider"), ("primary", False), ("note", "x")),
    ],
)
def test_a_changed_result_is_named(run: Path, key: str, value: object) -> None:
    data = read_run(run)
    score = data["results"]["captions"]["cider"]
    before, score[key] = score[key], value
    (run / "run.json").write_text(json.dumps(data))
    assert f"captions: cider: {key} is {value!r} in run.json, {before!r} recomputed" in problems(
        run
    )


def test_results_and_tasks_taken_away_are_named(run: Path) -> None:
    whole = read_run(run)
    data = json.loads(json.dumps(whole))
    del data["results"]["captions"]["bleu4"]
    (run / "run.json").write_text(json.dumps(data))
    assert "captions: results lack, or should not have: bleu4" in problems(run)

    data = json.loads(json.dumps(whole))
    del data["results"]["speech"]
    (run / "run.json").write_text(json.dumps(data))
    assert "speech: no results" in problems(run)


def test_a_failure_count_or_status_made_prettier_is_named(run: Path) -> None:
    data = read_run(run)
    data["tasks"]["captions"].update(n_failed=0, failures={})
    data["options"]["max_failures"] = "0"
    (run / "run.json").write_text(json.dumps(data))
    found = problems(run)
    assert "captions: 1 failed samples {'generate': 1}, run.json says 0 {}" in found
    assert "status is complete in run.json, but captions: 1 of 12 samples failed" in found


@pytest.mark.parametrize("name", ["extra.txt", "captions/more.jsonl", "media/ab/x.png"])
def test_an_added_or_removed_file_is_named(run: Path, name: str) -> None:
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert problems(run) == f"files that the run did not write: {name}"
    path.unlink()
    (run / "speech" / "stats.jsonl").unlink()
    assert "speech/stats.jsonl: the file is gone" in problems(run)


def test_a_report_may_be_written_again(run: Path) -> None:
    (run / "report.md").write_text("anything")
    assert not problems(run)


def test_a_run_that_has_not_ended_is_not_verified(run: Path) -> None:
    data = read_run(run)
    data["status"] = "running"
    (run / "run.json").write_text(json.dumps(data))
    assert "the run is not finished" in problems(run)


def test_a_damaged_run_json_is_a_problem_not_a_crash(run: Path) -> None:
    whole = read_run(run)
    for key in ("status", "tasks", "data", "results", "files", "options"):
        for damage in ({}, {key: None}, {key: 5}, {key: []}):
            data = {name: value for name, value in whole.items() if name != key} | damage
            (run / "run.json").write_text(json.dumps(data))
            found = problems(run)  # raises nothing, whatever is there
            assert found or key == "status"


def test_the_command_fails_with_4_and_says_what(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_line(run / "captions" / "samples.jsonl", "1005", change_output)
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(run)])
    assert stop.value.code == 4
    shown = capsys.readouterr().out
    assert "DIFFERS    captions/samples.jsonl: sha256 differs from run.json" in shown
    assert "verified" not in shown

    with pytest.raises(SystemExit) as stop:
        main(["verify", str(run.parent)])
    assert stop.value.code == 2


def test_an_exchanged_medium_is_named(world: World) -> None:
    run = world.evaluate("Drawing", tasks=("drawings",)).path
    assert not problems(run)
    media = sorted((run / "media").rglob("*.*"))
    media[0].unlink()
    media[0].write_bytes(media[1].read_bytes())
    assert "sha256 differs" in problems(run)
    hide(run)
    assert f"{media[0].relative_to(run)} is not the file it names" in problems(run)

"""The leaderboard's data: which runs, which groups, the same bytes again."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest

from mio_eval.errors import UsageError
from mio_eval.report.html.site import write_site
from mio_eval.report.leaderboard import build_boards, find_runs, model_size


@pytest.fixture
def runs(run_of):
    """Two complete runs and one with failures, in one folder."""
    paths = [run_of(name=name)[0] for name in ("first", "second")]
    run_of(name="broken", drop=3)
    return paths[0].parent


def edit(path, change):
    data = json.loads((path / "run.json").read_text())
    change(data)
    (path / "run.json").write_text(json.dumps(data))


def by_model(folder, model):
    for path in folder.iterdir():
        if (path / "run.json").is_file():
            data = json.loads((path / "run.json").read_text())
            if data["model"]["name"] == model:
                return path
    raise AssertionError(model)


def test_unfit_runs_are_left_out_with_the_reason(runs):
    shutil.copytree(by_model(runs, "first"), runs / "a-running")
    edit(runs / "a-running", lambda data: data.update(status="running"))
    (runs / "b-damaged").mkdir()
    (runs / "b-damaged" / "run.json").write_text("{")
    (runs / "c-other-schema").mkdir()
    (runs / "c-other-schema" / "run.json").write_text('{"schema_version": 99}')
    found = find_runs([runs])
    assert sorted(run.model for run in found.runs) == ["first", "second"]
    reasons = dict(found.excluded)
    assert len(reasons) == 4
    assert reasons["a-running"] == "not finished: status running"
    assert "cannot read" in reasons["b-damaged"]
    assert "schema version 99" in reasons["c-other-schema"]
    assert any("3 of 12 samples failed" in reason for reason in reasons.values())


def test_runs_are_found_once_at_any_depth(runs):
    found = find_runs([runs.parent, runs, by_model(runs, "first")])
    assert sorted(run.model for run in found.runs) == ["first", "second"]


def test_a_folder_without_runs_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no run in"):
        find_runs([tmp_path])
    with pytest.raises(UsageError, match="is no folder"):
        find_runs([tmp_path / "nowhere"])


def groups(runs):
    (board,) = build_boards(find_runs([runs]).runs)
    return [(group.flags, [entry.model for entry in group.entries]) for group in board.groups]


def test_flagged_runs_never_stand_with_published_rows(runs):
    clean, flagged = groups(runs)
    assert clean[0] == ()
    assert clean[1][:2] == ["Wav2vec 2.0", "Whisper Large V2"]
    assert [flag.partition(":")[0] for flag in flagged[0]] == ["INCOMPLETE DATA"]
    assert sorted(flagged[1]) == ["first", "second"]


def test_a_run_of_the_protocol_stands_with_them(runs):
    def whole(data):
        data["data"]["librispeech"]["n"] = 2620
        data["results"]["librispeech"]["wer"]["value"] = 5.0

    edit(by_model(runs, "first"), whole)
    clean, flagged = groups(runs)
    assert clean[1] == [
        *("Wav2vec 2.0", "Whisper Large V2", "first", "MIO-Base", "AnyGPT", "MIO-Instruct"),
    ]
    assert flagged[1] == ["second"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["data"]["librispeech"].update(sha256="0" * 64),
        lambda d: d["tasks"]["librispeech"].update(sha256="0" * 64),
        lambda d: d["results"]["librispeech"]["wer"].update(signature="wer|norm:other|n:12|v:1"),
    ],
    ids=["data", "task", "signature"],
)
def test_another_definition_is_another_group(runs, change):
    edit(by_model(runs, "second"), change)
    assert sorted(models for _, models in groups(runs)[1:]) == [["first"], ["second"]]


def test_another_version_or_count_is_the_same_group(runs):
    def older(data):
        score = data["results"]["librispeech"]["wer"]
        score["signature"] = score["signature"].replace("|v:", "|v:0.0.")

    edit(by_model(runs, "second"), older)
    assert sorted(groups(runs)[1][1]) == ["first", "second"]


def test_the_same_runs_give_the_same_bytes(runs, tmp_path):
    places = []
    for name in ("one", "two"):
        write_site(find_runs([runs]), tmp_path / name, title="Board")
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        places.append({p.relative_to(tmp_path / name): p.read_bytes() for p in files})
    assert places[0] == places[1]
    assert len(places[0]) == 5  # the page, JSON, CSV, two reports


def test_json_and_csv_say_the_same(runs, tmp_path):
    write_site(find_runs([runs]), tmp_path / "site", title="Board", reports=False)
    board = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    text = (tmp_path / "site" / "leaderboard.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    cells = {
        (b["task"], g["id"], e["model"], c["metric"], cell["value"])
        for b in board["boards"]
        for g in b["groups"]
        for e in g["entries"]
        for c, cell in zip(b["columns"], e["cells"], strict=True)
        if cell["value"] is not None
    }
    assert {
        (r["task"], r["group"], r["model"], r["metric"], float(r["value"])) for r in rows
    } == cells
    assert len(rows) == len(cells) == 5 + 2 * 3
    assert [x["reason"] for x in board["excluded"]]
    assert all(
        e["report"] is None for b in board["boards"] for g in b["groups"] for e in g["entries"]
    )


@pytest.mark.parametrize(
    ("extra", "size"),
    [
        ({}, ""),
        ({"parameters": 7_240_000_000}, "7.24B"),
        ({"model_size": "13B"}, "13B"),
        ({"parameters": True}, ""),
        ({"params": "x" * 500}, "x" * 20),
    ],
)
def test_model_size_is_only_what_the_run_states(extra, size):
    assert model_size({"model": {"name": "llama-7B", "extra": extra}}) == size


def ranks(runs, metric):
    """Model → rank by a metric, in the groups' order."""
    (board,) = build_boards(find_runs([runs]).runs, published=False)
    at = [column.metric for column in board.columns].index(metric)
    return {e.model: e.cells[at].rank for group in board.groups for e in group.entries}


def test_other_metrics_are_ranked_by_one_definition_only(runs):
    assert sorted(ranks(runs, "cer").values()) == [1, 1]

    def other(data):
        score = data["results"]["librispeech"]["cer"]
        score["signature"] = score["signature"].replace("whisper-en", "none")

    edit(by_model(runs, "second"), other)
    assert set(ranks(runs, "wer").values()) == {1}, "the primary metric has one definition still"
    assert set(ranks(runs, "cer").values()) == {0}


def test_a_flagged_score_is_not_ranked_beside_published_ones(runs):
    """Both follow the protocol in the primary metric; one had another normaliser for the second."""

    def whole(data):
        data["data"]["librispeech"]["n"] = 2620

    def other(data):
        whole(data)
        data["tasks"]["librispeech"]["metrics"]["cer"]["norm"] = "none"

    edit(by_model(runs, "first"), whole)
    edit(by_model(runs, "second"), other)
    assert ranks(runs, "wer") == {"first": 1, "second": 1}
    assert ranks(runs, "cer") == {"first": 0, "second": 0}


def test_a_group_is_sorted_by_its_own_primary_metric(run_of):
    """A run whose primary metric is another one comes first and so gives the first column."""
    runs = run_of(name="a-substitute")[0].parent
    for name, value in (("x", 30.0), ("z", 1.0), ("y", 10.0)):
        run_of(name=name)

        def change(data, value=value):
            data["results"]["librispeech"]["wer"]["value"] = value
            del data["results"]["librispeech"]["cer"]

        edit(by_model(runs, name), change)

    def substitute(data):
        scores = data["results"]["librispeech"]
        data["tasks"]["librispeech"]["primary"] = "cer"
        scores["cer"]["primary"], scores["wer"]["primary"] = True, False
        data["results"]["librispeech"] = {"cer": scores["cer"]}

    edit(by_model(runs, "a-substitute"), substitute)
    (board,) = build_boards(find_runs([runs]).runs, published=False)
    assert board.columns[0].metric == "cer"
    found = [[entry.model for entry in group.entries] for group in board.groups]
    assert ["z", "y", "x"] in found

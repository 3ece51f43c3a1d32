"""Tables of many runs: columns as in the paper, best and second among what compares."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from mio_eval.errors import UsageError
from mio_eval.report.latex import latex
from mio_eval.report.layouts import columns_of, layout_names, layout_title
from mio_eval.report.matrix import build_matrix, protocol
from mio_eval.report.runs import Run

# The columns of the paper's tables (MIO, arXiv 2409.17692v4).
PAPER = {
    "mio-table3": [
        ("MS-COCO", "cider"),
        *[(d, "vqa_acc") for d in ("VQAv2", "OK-VQA", "VizWiz")],
        ("SEED-Bench", "choice_acc"),
    ],
    "mio-table4": [("MS-COCO", "clip_i"), ("Flickr30K", "clip_i")],
    "mio-table5": [("LibriSpeech", "wer"), ("VCTK", "wer")],
    "mio-table6": [("MSVD-QA", "vqa_exact"), ("MSRVTT-QA", "vqa_exact")],
    "mio-table7": [("MMLU", "acc")],
    "mio-table8": [("OmniBench", "choice_acc")],
    "mio-table13": [(d, m) for d in ("MS-COCO", "Flickr30K") for m in ("ssim", "aesthetic")],
    "mio-table16": [(d, m) for d in ("GLOBE", "LibriSpeech") for m in ("wer", "speaker_sim")],
}


@pytest.mark.parametrize("layout", PAPER)
def test_columns_are_the_papers(layout):
    assert [(c.title, c.metric) for c in columns_of(layout, [])] == PAPER[layout]
    assert layout in layout_names()
    assert layout_title(layout).endswith(f"Table {layout.removeprefix('mio-table')}")


def test_table_3_is_the_papers_row_by_row():
    matrix = build_matrix("t", columns_of("mio-table3", []), [])
    rows = {row.model: [cell.text for cell in row.cells] for row in matrix.rows}
    assert len(rows) == 12
    assert rows["MIO-Instruct (7B)"] == ["120.4", "65.5", "39.9", "53.5", "54.4"]
    assert rows["AnyGPT (8B)"] == ["107.5", "–", "–", "–", "–"]
    assert {row.source for row in matrix.rows} == {"MIO (arXiv 2409.17692v4), Table 3"}
    assert any("suspected column shift" in note for note in matrix.notes)


def test_table_3_says_who_generates_images_and_handles_speech():
    matrix = build_matrix("t", columns_of("mio-table3", []), [])
    assert matrix.about == ("ImGen", "Speech")
    said = {row.model: row.about for row in matrix.rows}
    # Table 3 as printed: check marks under ImGen and under Speech.
    assert {m for m, (image, _) in said.items() if image == "yes"} == {
        *("Emu-Base (14B)", "SEED-LLaMA-I (8B)", "AnyGPT (8B)", "CM3Leon (7B)"),
        "MIO-Instruct (7B)",
    }
    assert {m for m, (_, speech) in said.items() if speech == "yes"} == {
        *("AnyGPT (8B)", "MIO-Instruct (7B)"),
    }
    assert {value for about in said.values() for value in about} == {"yes", "no"}
    text = latex(matrix)
    assert r"\begin{tabular}{lccrrrrr}" in text
    assert r"MIO-Instruct (7B) & yes & yes & \underline{120.4} & \underline{65.5}" in text
    assert build_matrix("t", columns_of("mio-table5", []), []).about == ()


def ranks(matrix, column=0):
    return {row.model: row.cells[column].rank for row in matrix.rows if row.cells[column].rank}


def test_best_and_second_follow_the_direction_and_ties():
    # Table 3, COCO: 124.5, then 120.4 twice. Table 5, LibriSpeech WER: 2.7 twice, then 6.3.
    best = ranks(build_matrix("t", columns_of("mio-table3", []), []))
    assert best == {"SEED-LLaMA-I (8B)": 1, "Emu-I (14B)": 2, "MIO-Instruct (7B)": 2}
    best = ranks(build_matrix("t", columns_of("mio-table5", []), []))
    assert best == {"Wav2vec 2.0": 1, "Whisper Large V2": 1, "MIO-Base (7B)": 2}


def test_unknown_layout_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean mio-table3"):
        columns_of("mio-tabel3", [])


@pytest.fixture
def full(run_of):
    """A run that passes for one of the whole split."""
    path, data = run_of(name="ours")
    data["data"]["librispeech"]["n"] = 2620
    return Run(path, data)


def other(run, name, **changes):
    data = copy.deepcopy(run.data)
    data["model"]["name"] = name
    for place, value in changes.items():
        *parts, last = place.split("__")
        inner = data
        for part in parts:
            inner = inner[part]
        inner[last] = value
    return Run(Path(f"{run.path}-{name}"), data)


WER = "results__librispeech__wer__value"


def test_our_unflagged_run_ranks_among_the_published(full):
    good = other(full, "good", **{WER: 1.234})
    matrix = build_matrix("t", columns_of("mio-table5", [good]), [good])
    assert ranks(matrix) == {"good": 1, "Wav2vec 2.0": 2, "Whisper Large V2": 2}
    assert [row.model for row in matrix.own] == ["good"]


@pytest.mark.parametrize(
    ("place", "value", "flag"),
    [
        ("data__librispeech__mode", "sample", "SAMPLE"),
        ("data__librispeech__n", 2000, "INCOMPLETE DATA"),
        ("data__librispeech__limit", 10, "LIMIT"),
        ("data__librispeech__split", "test-other", "OTHER SPLIT"),
        ("tasks__librispeech__metrics__wer", {"norm": "none"}, "OTHER SETTINGS"),
        ("results__librispeech__wer__n_failed", 3, "PARTIAL"),
        ("status", "failed", "RUN FAILED"),
    ],
)
def test_a_flagged_cell_is_never_best(full, place, value, flag):
    flagged = other(full, "flagged", **{WER: 0.5, place: value})
    clean = other(full, "clean", **{WER: 1.0})
    matrix = build_matrix("t", columns_of("auto", [flagged, clean]), [flagged, clean])
    own = {row.model: row.cells[0] for row in matrix.own}
    assert own["flagged"].rank == 0
    assert [f.partition(":")[0] for f in own["flagged"].flags] == [flag]
    assert own["clean"].rank == 1
    assert any(note.startswith(f"flagged: {flag}") for note in matrix.notes)


def test_a_substitute_and_another_judge_are_flagged():
    from mio_eval.report.matrix import cell_flags
    from mio_eval.tasks import get_task

    task = get_task("coco_t2i")
    score = {"n_failed": 0, "n_expected": 5000, "signature": "image_sim|enc:x|n:5000|v:1"}
    ssim = score | {"signature": "ssim|impl:skimage|n:5000|v:1"}
    clip = score | {"signature": "clip_i|enc:open_clip/other|crop:center|n:5000|v:1"}
    facts = {
        "primary": "image_sim",
        "metrics": {},
        "judges": {"clip": "open_clip/other"},
        "sha256": task.sha256,
    }
    source = {
        "mode": "local",
        "n": 5000,
        "split": "test",
        "split_expected": 5000,
        "limit": None,
    }
    data = {
        "status": "complete",
        "tasks": {"coco_t2i": facts},
        "data": {"coco_t2i": source},
        "results": {"coco_t2i": {"image_sim": score, "ssim": ssim, "clip_i": clip}},
    }
    kinds = {
        metric: [flag.partition(":")[0] for flag in cell_flags("coco_t2i", metric, data)]
        for metric in ("image_sim", "ssim", "clip_i")
    }
    assert kinds == {"image_sim": ["SUBSTITUTE"], "ssim": [], "clip_i": ["OTHER JUDGE"]}


def test_runs_of_another_definition_do_not_rank_together(full):
    signature = full.data["results"]["librispeech"]["wer"]["signature"]
    first = other(full, "first", **{WER: 2.0})
    data = other(full, "data", **{WER: 1.0, "data__librispeech__sha256": "0" * 64})
    version = other(
        full,
        "version",
        **{
            WER: 3.0,
            "results__librispeech__wer__signature": signature.replace("|v:", "|v:9."),
        },
    )
    runs = [first, data, version]
    matrix = build_matrix("t", columns_of("auto", runs), runs)
    own = {row.model: row.cells[0] for row in matrix.own}
    assert own["data"].flags == ("OTHER DEFINITION: the data differs from the first row's",)
    assert own["first"].rank == 1
    assert own["version"].flags == ()  # the version alone is no other definition


def test_protocol_is_the_signature_without_counts_and_version():
    assert protocol("wer|agg:corpus|norm:x|n:26|v:0.1") == "wer|agg:corpus|norm:x"
    assert protocol("cider|tok:ptb-1|n:5|refs:5|v:1") == "cider|tok:ptb-1|refs:5"


def test_two_runs_of_one_model_are_told_apart(full):
    twin = Run(Path(f"{full.path}-twin"), full.data)
    matrix = build_matrix("t", columns_of("auto", [full, twin]), [full, twin])
    assert [row.model for row in matrix.own] == [f"ours ({full.id})", f"ours ({twin.id})"]


def test_no_best_of_one():
    """A lone value is no winner."""
    matrix = build_matrix("t", columns_of("mio-table13", []), [])
    assert all(cell.rank == 0 for row in matrix.rows for cell in row.cells if cell.value is None)

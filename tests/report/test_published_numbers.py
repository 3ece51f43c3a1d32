"""The published numbers are the paper's: MIO, arXiv 2409.17692v4, Tables 3 and 5."""

from __future__ import annotations

import csv

import pytest

from mio_eval.report.published import published_table
from mio_eval.shipped import shipped
from mio_eval.tasks import get_task

# Table 3, as printed: COCO, VQAv2, OKVQA, VizWiz, SEED-Bench; None where the cell has no number.
TABLE_3 = {
    "Emu-Base (14B)": ("112.4", "52.0", "38.2", "34.2", "47.3"),
    "Emu-I (14B)": ("120.4", "57.2", "43.4", "32.2", "58.0"),
    "SEED-LLaMA-I (8B)": ("124.5", "66.2", "45.9", "55.1", "51.5"),
    "AnyGPT (8B)": ("107.5", None, None, None, None),
    "Flamingo (9B)": ("79.4", "51.8", "44.7", "28.8", "42.7"),
    "Flamingo (80B)": ("84.3", "56.3", "31.6", None, None),
    "Kosmos-1 (1.6B)": ("84.7", "51.0", None, "29.2", None),
    "MetaLM (1.7B)": ("82.2", "41.1", "11.4", None, None),
    "IDEFICS-I (80B)": ("117.2", "37.4", "36.9", "26.2", "53.2"),
    "CM3Leon (7B)": ("61.6", "47.6", "23.8", "37.6", None),
    "InstructBLIP (8.1B)": (None, None, None, "34.5", "58.8"),
    "MIO-Instruct (7B)": ("120.4", "65.5", "39.9", "53.5", "54.4"),
}
DATASETS = ("MS-COCO", "VQAv2", "OK-VQA", "VizWiz", "SEED-Bench")
# Table 5: WER of speech recognition (LibriSpeech) and of speech generation (VCTK).
TABLE_5 = {
    "LibriSpeech": {
        "Wav2vec 2.0": "2.7",
        "Whisper Large V2": "2.7",
        "AnyGPT (8B)": "8.5",
        "MIO-Base (7B)": "6.3",
        "MIO-Instruct (7B)": "10.3",
    },
    "VCTK": {
        "VALL-E": "7.9",
        "USLM": "6.5",
        "AnyGPT (8B)": "8.5",
        "MIO-Base (7B)": "12.0",
        "MIO-Instruct (7B)": "4.2",
    },
}


@pytest.fixture(scope="module")
def rows():
    with (shipped("results/published") / "mio.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells(rows, table, dataset):
    found = [
        (f"{r['model']} ({r['model_size']})" if r["model_size"] else r["model"], r["value"])
        for r in rows
        if (r["table"], r["dataset"]) == (table, dataset)
    ]
    assert len(found) == len(dict(found)), f"{table} {dataset}: a model stands twice"
    return dict(found)


@pytest.mark.parametrize("column", range(5), ids=DATASETS)
def test_table_3(rows, column):
    wanted = {m: values[column] for m, values in TABLE_3.items() if values[column] is not None}
    assert cells(rows, "Table 3", DATASETS[column]) == wanted


@pytest.mark.parametrize("dataset", TABLE_5)
def test_table_5(rows, dataset):
    assert cells(rows, "Table 5", dataset) == TABLE_5[dataset]


def test_every_row_is_sound(rows):
    assert len(rows) >= 150
    for row in rows:
        float(row["value"])
        assert row["higher_is_better"] in ("true", "false", "n/a")
        lower = "WER" in row["metric"] or "rank" in row["metric"]
        assert not (lower and row["higher_is_better"] == "true"), row
        confidence = row["confidence"].partition(";")[0]
        assert confidence in ("verified-2-sources", "verified-1-source")
        for column in ("paper", "table", "model", "task", "dataset", "metric", "source"):
            assert row[column], row


@pytest.mark.parametrize(
    ("task", "metric", "wanted"),
    [
        ("coco_caption", "cider", {m: v[0] for m, v in TABLE_3.items() if v[0]}),
        ("librispeech", "wer", TABLE_5["LibriSpeech"]),
    ],
)
def test_rows_of_a_task(task, metric, wanted):
    (spec,) = get_task(task).file.published
    found = published_table(spec)
    assert found.metrics == (metric,)
    assert {row.model: row.values[0] for row in found.rows} == wanted
    assert len(found.rows) == len(wanted)


def test_a_table_with_two_columns():
    (spec,) = get_task("globe_tts").file.published
    found = published_table(spec)
    assert found.metrics == ("wer", "speaker_sim")
    assert [(row.model, *row.values) for row in found.rows] == [
        ("MIO (7B)", "9.8", "67.8"),
        ("AnyGPT", "27.9", "67.3"),
    ]


def test_the_suspected_misprint_is_shown_as_printed_with_a_remark():
    (spec,) = get_task("okvqa").file.published
    row = next(row for row in published_table(spec).rows if row.model == "Flamingo (80B)")
    assert row.values == ("31.6",)
    assert "suspected column shift" in row.remark

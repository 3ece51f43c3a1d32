"""What is wrong with the files of trees in the wild: every reader says where, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import write_coco
from data.reading import edit_first, problems, read
from data.trees import TREES, put

from mio_eval.errors import UsageError
from mio_eval.types import Text

pytest.importorskip("PIL")
pytest.importorskip("soundfile")
pytest.importorskip("pyarrow")

JSON_TASKS = sorted(set(TREES) - {"vctk_tts", "vctk_tts_voice", "globe_tts", "mmlu"})


@pytest.mark.parametrize("task", [t for t in JSON_TASKS if t != "flickr30k_t2i"])
def test_duplicate_ids_are_named(task: str, tree: Path) -> None:
    path = tree / TREES[task][1]
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        path.write_text(text + text.splitlines()[0] + "\n", encoding="utf-8")
    else:
        data = json.loads(text)
        rows = data["questions"] if isinstance(data, dict) else data
        rows.append(rows[0])
        path.write_text(json.dumps(data))
    first = read(task, tree)[0].id
    assert f"duplicate id {first}" in problems(task, tree)


@pytest.mark.parametrize("cut", [0.5, 0.98])
@pytest.mark.parametrize("task", JSON_TASKS)
def test_truncated_json(task: str, tree: Path, cut: float) -> None:
    path = tree / TREES[task][1]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(UsageError, match=r"is not JSON .*fetch .* again") as error:
        read(task, tree)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "content", ["[]", "5", "{}", '"x"', "null", '{"questions": 3}', "[" * 10**5]
)
@pytest.mark.parametrize("task", JSON_TASKS)
def test_another_json_file(task: str, tree: Path, content: str) -> None:
    path = tree / TREES[task][1]
    path.write_text(content)
    if content == "[]" and task in ("vizwiz", "msvd_qa", "msrvtt_qa"):
        assert read(task, tree) == []  # a run and a check then say that there are no samples
        return
    with pytest.raises(UsageError, match=r"fetch .* again") as error:
        read(task, tree)
    assert str(path) in str(error.value)


FIELDS = {
    "vqav2": ["question", "question_id", "image_id"],
    "okvqa": ["question", "question_id", "image_id"],
    "vizwiz": ["image", "question", "answers"],
    "seed_bench": ["answer", "choice_c", "data_id", "question", "question_id", "question_type_id"],
    "omnibench": ["index", "question", "audio type", "answer", "options", "image_path"],
    "flickr30k_t2i": ["filename", "sentences"],
    "msvd_qa": ["id", "video_id", "question", "answer"],
    "msrvtt_qa": ["id", "video_id", "question", "answer"],
}


@pytest.mark.parametrize("value", [None, {"x": 1}, [], True], ids=str)
@pytest.mark.parametrize(("task", "field"), [(t, f) for t, fs in FIELDS.items() for f in fs])
def test_wrong_type_or_absent(task: str, field: str, value: Any, tree: Path) -> None:
    path = tree / TREES[task][1]

    def change(row: Any) -> None:
        if value is True:
            del row[field]
        else:
            row[field] = value

    edit_first(path, change)
    if (task, field, value) == ("vizwiz", "answers", True):
        assert read(task, tree)[0].references == ()  # as in the test split
        return
    if (task, field, value) == ("vizwiz", "answers", []):
        assert f"{read(task, tree)[0].id}: no reference" in problems(task, tree)
        return
    with pytest.raises(UsageError, match=r"fetch .* again") as error:
        read(task, tree)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("task", ["vqav2", "okvqa", "vizwiz"])
@pytest.mark.parametrize("answer", [5, None, ["yes"]], ids=str)
def test_a_human_answer_that_is_no_text(task: str, answer: Any, tree: Path) -> None:
    names = {
        "vqav2": "vqav2/v2_mscoco_val2014_annotations.json",
        "okvqa": "okvqa/mscoco_val2014_annotations.json",
        "vizwiz": "vizwiz/Annotations/val.json",
    }
    path = tree / names[task]
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = data if isinstance(data, list) else data["annotations"]
    rows[0]["answers"][3]["answer"] = answer
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"answer is .*, not text"):
        read(task, tree)


def test_a_question_without_an_annotation_is_named(tmp_path: Path) -> None:
    TREES["vqav2"][0](tmp_path)
    path = tmp_path / "vqav2" / "v2_mscoco_val2014_annotations.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["annotations"][1]
    path.write_text(json.dumps(data))
    assert "101: no reference" in problems("vqav2", tmp_path)


def test_a_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    TREES["vizwiz"][0](tmp_path)
    path = tmp_path / TREES["vizwiz"][1]
    edit_first(path, lambda row: row.update(question="a \ud83d b"))
    assert read("vizwiz", tmp_path)[0].inputs["question"] == Text("a � b")


def test_seed_bench_answers_are_letters(tmp_path: Path) -> None:
    TREES["seed_bench"][0](tmp_path)
    for answer in ("E", "a", "", "AB"):
        edit_first(tmp_path / TREES["seed_bench"][1], lambda row, a=answer: row.update(answer=a))
        with pytest.raises(UsageError, match="no letter from A to D"):
            read("seed_bench", tmp_path)


def test_omnibench_answer_is_an_option(tmp_path: Path) -> None:
    TREES["omnibench"][0](tmp_path)
    edit_first(tmp_path / TREES["omnibench"][1], lambda row: row.update(answer="none of them"))
    with pytest.raises(UsageError, match="line 1: the answer 'none of them' is not one"):
        read("omnibench", tmp_path)


def test_captions_to_images_need_a_caption(tmp_path: Path) -> None:
    write_coco(tmp_path)
    path = tmp_path / "coco" / "dataset_coco.json"
    data = json.loads(path.read_text())
    data["images"][2]["sentences"] = []
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="image 1002 has no caption"):
        read("coco_t2i", tmp_path)


@pytest.mark.parametrize("line", ["klteYv1_6_8", "no-number-at-all"])
def test_a_damaged_video_mapping(tmp_path: Path, line: str) -> None:
    pytest.importorskip("av")
    TREES["msvd_qa"][0](tmp_path)
    put(tmp_path / "msvd_qa" / "youtube_mapping.txt", f"-4wsuPC_5_15 vid1\n{line}\n")
    with pytest.raises(UsageError, match="line 2: expected 'VIDEO_NAME vidN'"):
        read("msvd_qa", tmp_path)
    put(tmp_path / "msvd_qa" / "youtube_mapping.txt", "é vid1".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8"):
        read("msvd_qa", tmp_path)


@pytest.mark.parametrize(
    ("row", "failed"),
    [
        ({"answer": 4}, True),
        ({"answer": "A"}, False),  # lm-eval takes the letter too
        ({"choices": ["a", "b"]}, True),
    ],
    ids=str,
)
def test_a_damaged_question_of_mmlu_is_a_failed_sample(
    tmp_path: Path, row: dict[str, Any], failed: bool
) -> None:
    pytest.importorskip("lm_eval")
    from mio_eval.data.lm_eval_tasks import documents, load_tasks
    from mio_eval.data.lm_eval_tasks import mmlu as spec

    good = {"question": "q?", "choices": list("wxyz"), "answer": 0, "subject": "law"}
    bad = {**good, **row}
    if isinstance(bad["answer"], str):
        good["answer"] = "B"  # a column has one type
    path = put(tmp_path / "test.jsonl", "".join(json.dumps(r) + "\n" for r in (good, bad)))
    found = list(documents(load_tasks(spec(str(path)))))
    assert [document.failure is not None for document in found] == [False, failed]


def test_truncated_mmlu(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    TREES["mmlu"][0](tmp_path)
    path = tmp_path / TREES["mmlu"][1]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UsageError, match="lm-eval cannot load task"):
        read("mmlu", tmp_path)


def test_globe_without_a_transcript(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    assert datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    TREES["globe_tts"][0](tmp_path)
    path = tmp_path / TREES["globe_tts"][1]
    table = pq.read_table(path)
    texts = pa.array([None, *table["transcript"].to_pylist()[1:]], pa.string())
    pq.write_table(table.set_column(1, "transcript", texts), path)
    with pytest.raises(UsageError, match="transcript is None, not text"):
        read("globe_tts", tmp_path)


@pytest.mark.parametrize("content", [b"", b"  \n", "é".encode("latin-1")])
@pytest.mark.parametrize("task", ["vctk_tts", "vctk_tts_voice"])
def test_a_damaged_sentence_of_vctk(tmp_path: Path, task: str, content: bytes) -> None:
    TREES[task][0](tmp_path)
    for path in (tmp_path / "vctk" / "txt").rglob("*.txt"):
        path.write_bytes(content)
    with pytest.raises(UsageError, match="fetch the corpus again"):
        read(task, tmp_path)

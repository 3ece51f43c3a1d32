"""Tasks whose outputs are media, end to end: targets, judges, substitutes, unscored splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import write_coco
from PIL import Image as Pillow

from mio_eval.annotators.judges import parse_judges
from mio_eval.engine import Options, RunResult, evaluate
from mio_eval.errors import UsageError
from mio_eval.models.base import Backend, ModelIdentity
from mio_eval.models.starter.backend import Starter
from mio_eval.report.tables import task_tables
from mio_eval.types import MODALITIES, Audio, Capability, Image, Part, Request, Text
from mio_eval.verify import verify

NO_CLIP = ("clip=none", "aesthetic=none")


class Copier(Backend):
    """Answers with the data set's own media, found by the request's text; else with noise."""

    name = "copier"
    capabilities = frozenset(Capability(frozenset(MODALITIES), output) for output in MODALITIES)

    def __init__(self, answers: dict[str, Path]) -> None:
        self.answers = answers

    def identity(self) -> ModelIdentity:
        return ModelIdentity("copier", "copier", "1", extra={"n": len(self.answers)})

    def answer(self, request: Request) -> Part:
        text = "".join(part.text for part in request.parts if isinstance(part, Text))
        if request.want == "text":
            return Text("cat")
        path = self.answers[text]
        return Image(path) if request.want == "image" else Audio(path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Evaluate a backend object on data made by the test."""

    def call(backend: Backend, task: str, data: Path, *judges: str) -> RunResult:
        monkeypatch.setattr("mio_eval.engine.plan.create_model", lambda name, args: backend)
        options = Options(
            (task,), model="copier", data_dir=str(data), judges=judges, out=str(tmp_path / "runs")
        )
        return evaluate(options)

    return call


def coco_answers(data: Path) -> dict[str, Path]:
    rows = json.loads((data / "coco" / "dataset_coco.json").read_text())["images"]
    folder = data / "coco" / "val2014"
    return {r["sentences"][0]["raw"]: folder / r["filename"] for r in rows if r["split"] == "test"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """COCO with one caption for one picture, so that a caption names its picture."""
    data = write_coco(tmp_path / "data", 4)
    path = data / "coco" / "dataset_coco.json"
    content = json.loads(path.read_text())
    for index, row in enumerate(content["images"]):
        row["sentences"][0]["raw"] = f"picture {index}"
    path.write_text(json.dumps(content))
    return data


@pytest.mark.starter
def test_the_same_picture_is_wholly_similar(run, pictures):
    result = run(Copier(coco_answers(pictures)), "coco_t2i", pictures, *NO_CLIP, "image=starter")
    scores = result.scores["coco_t2i"]
    assert set(scores) == {"image_sim", "ssim"}
    assert scores["ssim"]["value"] == pytest.approx(1.0, abs=1e-12)
    assert scores["image_sim"]["value"] == pytest.approx(100.0, abs=1e-4)
    assert scores["image_sim"]["primary"]
    assert scores["ssim"]["signature"].startswith("ssim|resize:reference-bicubic|colour:luma|win:")
    found = verify(result.path)
    assert found.ok
    assert [line.partition(" (")[0] for line in found.unchecked] == [
        "coco_t2i: what the judge image",
        "coco_t2i: what the judge ssim",
    ]
    (table,) = task_tables(result.data)
    assert any(flag.startswith("SUBSTITUTE: image_sim") for flag in table.flags)
    assert [t.own[1] for t in table.published if t.columns == ("CLIP-I (x100)",)] == ["–"]


def test_a_missing_target_is_a_failed_sample(run, pictures):
    answers = coco_answers(pictures)
    lost = pictures / "lost.jpg"
    answers["picture 0"].rename(lost)
    answers["picture 0"] = lost
    result = run(Copier(answers), "coco_t2i", pictures, *NO_CLIP)
    assert result.scores["coco_t2i"]["ssim"]["n_failed"] == 1
    assert result.data["tasks"]["coco_t2i"]["failures"] == {"data": 1}
    assert result.failed


def test_a_picture_of_another_size_is_brought_to_the_targets_size(run, pictures):
    answers = coco_answers(pictures)
    small = pictures / "small.png"
    Pillow.open(answers["picture 1"]).resize((8, 8)).save(small)
    answers["picture 1"] = small
    result = run(Copier(answers), "coco_t2i", pictures, *NO_CLIP)
    assert result.scores["coco_t2i"]["ssim"]["n_scored"] == 4
    assert result.scores["coco_t2i"]["ssim"]["value"] < 1.0


def test_an_answer_that_is_no_picture_fails_its_annotation(run, pictures):
    answers = coco_answers(pictures)
    broken = pictures / "broken.png"
    broken.write_bytes(b"not a picture")
    answers["picture 2"] = broken
    score = run(Copier(answers), "coco_t2i", pictures, *NO_CLIP).scores["coco_t2i"]["ssim"]
    assert (score["n_scored"], score["n_failed"]) == (3, 1)
    assert score["value"] == pytest.approx(1.0, abs=1e-12)


def test_a_judge_that_cannot_be_had_stops_the_run_before_it_starts(run, pictures, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    backend = Copier(coco_answers(pictures))
    with pytest.raises(UsageError) as caught:
        run(backend, "coco_t2i", pictures, "clip=hf/no-such/model", "aesthetic=none")
    message = str(caught.value)
    assert "task coco_t2i, metric clip_i" in message
    assert "no-such/model" in message
    assert "--judge clip=none" in message
    assert not list((pictures.parent / "runs").glob("2*"))


@pytest.mark.starter
def test_speech_is_judged_against_its_text_and_its_voice(run, tmp_path):
    from mio_eval.shipped import sample_data

    source = sample_data() / "LibriSpeech" / "sample"
    data = tmp_path / "LibriSpeech" / "test-clean"
    answers = {}
    for path in sorted(source.glob("900[45]/*/*.trans.txt")):
        target = data / path.relative_to(source).parent
        target.mkdir(parents=True)
        (target / path.name).write_bytes(path.read_bytes())
        for line in path.read_text().splitlines():
            name, _, text = line.partition(" ")
            wave, rate = soundfile.read(path.parent / f"{name}.flac")
            soundfile.write(target / f"{name}.flac", wave, rate)
            answers[text.lower()] = target / f"{name}.flac"
    result = run(Copier(answers), "librispeech_tts", tmp_path, "asr=starter", "speaker=starter")
    scores = result.scores["librispeech_tts"]
    assert scores["speaker_sim"]["value"] == pytest.approx(100.0, abs=1e-4)
    assert scores["wer"]["value"] < 30
    assert "|asr:starter/whisper-tiny.en-int8|" in scores["wer"]["signature"]
    (table,) = task_tables(result.data)
    assert any(flag.startswith("OTHER JUDGE: asr") for flag in table.flags)
    assert verify(result.path).ok


def test_an_unscored_split_writes_a_submission(run, tmp_path):
    folder = tmp_path / "data" / "vqav2"
    (folder / "test2015").mkdir(parents=True)
    questions = [
        {"image_id": 7, "question": "What is this?", "question_id": 7000 + i} for i in range(3)
    ]
    name = "v2_OpenEnded_mscoco_test-dev2015_questions.json"
    (folder / name).write_text(json.dumps({"questions": questions}))
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(
        folder / "test2015" / "COCO_test2015_000000000007.jpg"
    )
    result = run(Copier({}), "vqav2:test-dev", tmp_path / "data")
    assert result.scores["vqav2:test-dev"] == {}
    assert not result.failed
    (task,) = result.data["tasks"].values()
    assert "not public" in task["absent"]["vqa_acc"]
    rows = json.loads((result.path / "vqav2@test-dev" / "submission.json").read_text())
    assert rows == [{"question_id": 7000 + i, "answer": "cat"} for i in range(3)]
    assert verify(result.path).ok


def test_vizwizs_server_knows_questions_by_their_images(run, tmp_path):
    folder = tmp_path / "data" / "vizwiz"
    names = [f"VizWiz_test_{i:08d}.jpg" for i in range(3)]
    for place in ("Annotations", "test"):
        (folder / place).mkdir(parents=True)
    questions = [{"image": name, "question": "What is this?"} for name in names]
    (folder / "Annotations" / "test.json").write_text(json.dumps(questions))
    for name in names:
        Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "test" / name)
    result = run(Copier({}), "vizwiz:test", tmp_path / "data")
    rows = json.loads((result.path / "vizwiz@test" / "submission.json").read_text())
    assert rows == [{"image": name, "answer": "cat"} for name in names]


@pytest.mark.parametrize(
    ("text", "message"),
    [("asr", "expected role=model"), ("asr=", "expected role=model"), ("ars=starter", "asr")],
)
def test_wrong_judge_options(text, message):
    with pytest.raises(UsageError, match=message):
        parse_judges([text])


@pytest.mark.starter
def test_a_group_skips_what_cannot_run_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MIO_EVAL_TASKS", str(tmp_path))
    (tmp_path / "groups.toml").write_text('two = ["librispeech_tts", "mmlu"]\n')
    monkeypatch.setattr(Starter, "loglikelihood", None)
    result = evaluate(Options(("two",), limit=1, out=str(tmp_path / "runs")))
    assert list(result.scores) == ["librispeech_tts"]
    assert "loglikelihood" in result.data["skipped"]["mmlu"]
    assert not result.failed
    with pytest.raises(UsageError, match=r"mmlu.*loglikelihood.*choose another model"):
        evaluate(Options(("librispeech_tts", "mmlu"), out=str(tmp_path / "runs")))

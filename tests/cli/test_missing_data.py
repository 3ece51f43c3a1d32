"""Data that are not there: the layout wanted and where to get it, before anything is run."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from conftest import write_coco, write_librispeech

COCO = """\
mio-eval: no data for task coco_caption: data/coco/dataset_coco.json does not exist.
Wanted, in the folder data (--data-dir or $MIO_EVAL_DATA):
  coco/dataset_coco.json                         Karpathy's split file
  coco/val2014/COCO_val2014_000000391895.jpg …   the 40,504 images of val2014
  or, for coco_caption:val2014:
  coco/annotations/captions_val2014.json
  coco/val2014/…
Get it: images and annotations: cocodataset.org (2014 Val images, 2014 Train/Val annotations); \
dataset_coco.json: caption_datasets.zip, cs.stanford.edu/people/karpathy/deepimagesent
Or: --data sample for the bundled sample, \
--data hub to read nlphuji/mscoco_2014_5k_test_image_text_retrieval.
"""
LIBRISPEECH = """\
mio-eval: no data for task librispeech: data/LibriSpeech/test-clean does not exist.
Wanted, in the folder data (--data-dir or $MIO_EVAL_DATA):
  LibriSpeech/<split>/<speaker>/<chapter>/<speaker>-<chapter>-0000.flac …
  LibriSpeech/<split>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt
  where <split> is test-clean, test-other, dev-clean or dev-other
Get it: test-clean.tar.gz (and the other splits) from openslr.org/12
Or: --data sample for the bundled sample, --data hub to read openslr/librispeech_asr.
"""


@pytest.fixture
def predicting(captions: Path) -> tuple[str, ...]:
    return ("--model", "predictions", "--model-args", f"path={captions}")


@pytest.mark.parametrize(
    ("task", "message"), [("coco_caption", COCO), ("librispeech", LIBRISPEECH)]
)
def test_run_says_the_layout_and_where_to_get_it(invoke, predicting, task, message):
    ended = invoke("run", "--tasks", task, *predicting)
    assert ended.err == message
    assert (ended.code, ended.out) == (2, "")
    assert not Path("results").exists()


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize(
    ("task", "message"), [("coco_caption", COCO), ("librispeech", LIBRISPEECH)]
)
def test_data_commands_say_the_same(invoke, command, task, message):
    ended = invoke("data", command, task)
    assert (ended.code, ended.err) == (2, message)


def test_official_annotations_missing(invoke, tmp_path):
    write_coco(tmp_path / "data")
    (tmp_path / "data/coco/annotations/captions_val2014.json").unlink()
    ended = invoke("data", "check", "coco_caption:val2014")
    assert ended.message.startswith(
        "mio-eval: no data for task coco_caption:val2014: "
        "data/coco/annotations/captions_val2014.json does not exist. Wanted, in the folder data"
    )
    assert ended.code == 2


def test_another_split_missing(invoke, tmp_path):
    write_librispeech(tmp_path / "data")
    ended = invoke("data", "check", "librispeech:test-other")
    assert "data/LibriSpeech/test-other does not exist" in ended.message
    assert ended.code == 2


def test_split_without_transcripts(invoke, tmp_path):
    (tmp_path / "data/LibriSpeech/test-clean/1/2").mkdir(parents=True)
    ended = invoke("data", "check", "librispeech")
    assert (
        "data/LibriSpeech/test-clean/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt "
        "does not exist" in ended.message
    )
    assert ended.code == 2


def test_place_named_is_the_one_asked_for(invoke, monkeypatch, tmp_path):
    assert (
        "elsewhere/coco/dataset_coco.json"
        in invoke("data", "check", "coco_caption", "--data-dir", "elsewhere").message
    )
    monkeypatch.setenv("MIO_EVAL_DATA", str(tmp_path / "by-variable"))
    assert f"{tmp_path}/by-variable/coco/" in invoke("data", "check", "coco_caption").message


@pytest.mark.parametrize("folder", ["data", "data/coco", "data/coco/", "./data/../data/coco"])
def test_both_folders_are_taken(invoke, tmp_path, folder):
    write_coco(tmp_path / "data")
    ended = invoke("data", "show", "coco_caption", "-n", "1", "--data-dir", folder)
    assert ended.code == 0
    assert ended.out.startswith("1000 (cluster 1000)\n  image: ")
    assert "coco/val2014/COCO_val2014_000000001000.jpg" in ended.out


def test_current_folder_may_be_the_data_set(invoke, tmp_path, monkeypatch):
    write_coco(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data" / "coco")
    assert invoke("data", "show", "coco_caption", "--data-dir", ".").code == 0


def test_unreadable_file(invoke, tmp_path):
    folder = tmp_path / "data/LibriSpeech/test-clean/1/2"
    (folder / "1-2.trans.txt").mkdir(parents=True)  # a folder where a file should be
    ended = invoke("data", "check", "librispeech")
    assert ended.message == (
        "mio-eval: cannot read data/LibriSpeech/test-clean/1/2/1-2.trans.txt: Is a directory"
    )
    assert ended.code == 2


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("coco_caption", "cannot read hf://datasets/nlphuji/mscoco_2014_5k"),
        ("librispeech", "cannot reach the hub for openslr/librispeech_asr@main"),
    ],
)
@pytest.mark.parametrize(
    "setting", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}], ids=str
)
def test_hub_out_of_reach(cli, monkeypatch, tmp_path, task, message, setting):
    for name, value in {"HF_HOME": str(tmp_path / "hf"), **setting}.items():
        monkeypatch.setenv(name, value)
    start = time.monotonic()
    ended = cli("data", "show", task, "--data", "hub")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"mio-eval: {message}")
    assert "check the network, or use --data-dir with local files" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert time.monotonic() - start < 60  # no long round of retries


def test_split_that_the_hub_lacks(invoke):
    ended = invoke("data", "show", "coco_caption:val", "--data", "hub")
    assert ended.message == (
        "mio-eval: task coco_caption:val is not on the hub in a known form; "
        "use --data-dir with the files of https://cocodataset.org"
    )
    assert ended.code == 2


@pytest.mark.parametrize("task", ["coco_caption", "librispeech"])
def test_hub_without_its_library(invoke, monkeypatch, task):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    ended = invoke("data", "show", task, "--data", "hub")
    assert ended.message == (
        "mio-eval: reading the Hugging Face hub needs `datasets`: pip install 'mio-eval[hub]'"
    )
    assert ended.code == 2

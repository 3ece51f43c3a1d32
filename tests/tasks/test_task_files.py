"""Task files with mistakes: the message names the file, the field and what to do."""

from __future__ import annotations

import copy
import re

import pytest
import yaml

from mio_eval.errors import UsageError
from mio_eval.shipped import shipped
from mio_eval.tasks import all_tasks, get_task, get_tasks
from mio_eval.tasks.registry import load_task_file, task_paths

SHIPPED = yaml.safe_load((shipped("tasks") / "coco_caption.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder of task files."""
    path = tmp_path / "mine"
    path.mkdir()
    monkeypatch.setenv("MIO_EVAL_TASKS", str(path))
    return path


@pytest.fixture
def variant(folder):
    """Write the shipped caption task as `mine.yaml`, changed by a function."""

    def write(change):
        data = copy.deepcopy(SHIPPED) | {"name": "mine"}
        change(data)
        (folder / "mine.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
        return folder / "mine.yaml"

    return write


def put(*path):
    """Return a change that sets the value at a path; the last item is the value."""
    *steps, last, value = path

    def change(data):
        for step in steps:
            data = data[step]
        data[last] = value

    return change


def drop(*path):
    *steps, last = path

    def change(data):
        for step in steps:
            data = data[step]
        del data[last]

    return change


MISTAKES = {
    "unknown field": (put("metric", "cider"), "metric: no such field; did you mean metrics"),
    "unknown field, nothing near": (put("xyz", 1), "xyz: no such field; known: cluster, dataset,"),
    "unknown field inside": (
        put("dataset", "licens", "x"),
        "dataset.licens: no such field; did you mean licence",
    ),
    "unknown field of a split": (
        put("dataset", "splits", "test", "expectd", 1),
        "dataset.splits.test.expectd: no such field; did you mean expected?",
    ),
    "missing field": (drop("cluster"), "cluster: is missing; add it"),
    "missing field inside": (drop("dataset", "get"), "dataset.get: is missing; add it"),
    "number": (put("version", "one"), "version: Input should be a valid integer"),
    "number shown": (put("version", "one"), "got 'one'"),
    "zero": (put("version", 0), "version: Input should be greater than or equal to 1, got 0"),
    "samples": (
        put("dataset", "splits", "test", "expected", -5),
        "dataset.splits.test.expected: Input should be greater than 0, got -5",
    ),
    "list": (put("metrics", "cider"), "metrics: Input should be a valid tuple, got 'cider'"),
    "empty list": (put("metrics", []), "metrics: Tuple should have at least 1 item"),
    "modality": (put("output", "smell"), "output: Input should be 'text', 'image', 'audio' or"),
    "cluster": (put("cluster", "user"), "cluster: Input should be 'image', 'speaker', 'video'"),
    "name with capitals": (put("name", "Mine"), "name: String should match pattern"),
    "unquoted prompt": (
        put("prompts", "plain", {"image": None}),
        "prompts.plain: Input should be a valid string, got {'image': None}",
    ),
    "no placeholder": (
        put("prompts", "plain", "Describe."),
        "prompts.plain: needs {image} exactly once",
    ),
    "two placeholders": (
        put("prompts", "plain", "{image}{image}"),
        "prompts.plain: needs {image} exactly once",
    ),
    "open brace": (
        put("prompts", "plain", "{image} {"),
        "prompts.plain: Single '{' encountered in format string; write {{ and }} for braces",
    ),
    "closing brace": (put("prompts", "plain", "{image} }"), "prompts.plain: Single '}'"),
    "conversion": (
        put("prompts", "plain", "{image!r}"),
        "prompts.plain: format codes are not allowed in {image}",
    ),
    "format code": (put("prompts", "plain", "{image:>10}"), "format codes are not allowed"),
    "nested code": (put("prompts", "plain", "{image:{image}}"), "format codes are not allowed"),
    "attribute": (
        put("prompts", "plain", "{image} {image.path}"),
        "prompts.plain: {image.path} is not a plain name",
    ),
    "index": (put("prompts", "plain", "{image} {0}"), "prompts.plain: {0} is not a plain name"),
    "no name": (put("prompts", "plain", "{image} {}"), "prompts.plain: {} is not a plain name"),
    "no plain prompt": (drop("prompts", "plain"), "prompts needs a 'plain' style"),
    "primary": (
        put("primary", "spicy"),
        "primary 'spicy' is not one of metrics: cider, bleu1, bleu2,",
    ),
    "options": (
        put("metric_options", {"wer": {"norm": "none"}}),
        "metric_options for metrics not listed: wer",
    ),
    "default split": (
        put("dataset", "default_split", "tset"),
        "dataset: default_split 'tset' is not one of the splits test, val, val2014",
    ),
    "hub split": (
        put("dataset", "hub", "files", "train", "x"),
        "dataset: hub.files names splits that do not exist: train",
    ),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(variant, change, message):
    path = variant(change)
    with pytest.raises(UsageError) as error:
        load_task_file(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_variant_without_mistake_is_a_task(variant):
    variant(lambda data: None)
    assert get_task("mine").file.title == SHIPPED["title"]


def test_many_mistakes_are_counted(variant):
    path = variant(lambda data: (drop("cluster")(data), drop("title")(data), put("x", 1)(data)))
    with pytest.raises(UsageError, match=re.escape("(and 2 more)")):
        load_task_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: a\ntitle: [1, 2\nversion: 1\n", r"line 3: .*; correct the YAML"),
        ("name: a\n\ttitle: b\n", r"line 2: "),
        ("name: !!python/object/apply:os.system [echo]\n", r"line 1: could not determine a const"),
        ("name: !mine x\n", r"line 1: could not determine a constructor for the tag '!mine'"),
        ("- a\n- b\n", r": a task file is a mapping that starts with 'name: …'"),
        ("", r": a task file is a mapping"),
    ],
)
def test_yaml_that_is_no_task(folder, content, message):
    path = folder / "mine.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"^{re.escape(str(path))}.*{message}"):
        get_task("mine")


def test_yaml_tag_runs_nothing(folder, tmp_path):
    made = tmp_path / "made"
    (folder / "mine.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{made}']\n")
    with pytest.raises(UsageError):
        get_task("mine")
    assert not made.exists()


def test_other_encoding(folder):
    (folder / "mine.yaml").write_bytes("title: Légende".encode("latin-1"))
    with pytest.raises(UsageError, match=r"mine\.yaml: not UTF-8 .*save it as UTF-8"):
        get_task("mine")


def test_unreadable(folder):
    (folder / "mine.yaml").mkdir()
    with pytest.raises(UsageError, match=r"cannot read task file .*mine\.yaml: Is a directory"):
        get_task("mine")


def test_name_is_the_files(variant):
    path = variant(put("name", "other"))
    with pytest.raises(UsageError) as error:
        get_task("mine")
    assert str(error.value) == (f"{path}: name: 'other' must be the file's name 'mine'; rename one")


def test_own_folders_come_first_and_the_first_wins(folder, variant, tmp_path, monkeypatch):
    variant(put("name", "librispeech")).rename(folder / "librispeech.yaml")
    second = tmp_path / "second"
    second.mkdir()
    for name in ("librispeech.yaml", "more.yaml"):
        data = SHIPPED | {"name": name.removesuffix(".yaml"), "title": "second"}
        (second / name).write_text(yaml.safe_dump(data))
    monkeypatch.setenv("MIO_EVAL_TASKS", f"{folder}:{second}")
    assert get_task("librispeech").path == folder / "librispeech.yaml"
    assert get_task("more").file.title == "second"
    assert get_task("coco_caption").path == shipped("tasks") / "coco_caption.yaml"
    names = [task.name for task in all_tasks()]
    assert names == sorted(set(names))
    assert {"coco_caption", "librispeech", "more"} <= set(names)


def test_folder_that_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("MIO_EVAL_TASKS", str(tmp_path / "typo"))
    with pytest.raises(UsageError, match=r"^\$MIO_EVAL_TASKS names .*typo, which is no folder"):
        task_paths()


def test_names_splits_and_folders():
    task = get_task("librispeech:test-other")
    assert (task.name, task.directory) == ("librispeech:test-other", "librispeech@test-other")
    assert (task.split, task.spec.expected, task.reader) == ("test-other", 2939, "librispeech")
    default = get_task("librispeech:test-clean")
    assert (default.name, default.directory) == ("librispeech", "librispeech")
    assert get_task("coco_caption:val2014").reader == "coco_captions"
    assert get_task("coco_caption").reader == "coco_karpathy"
    with pytest.raises(UsageError, match="unknown split of coco_caption 'tset'; did you mean test"):
        get_task("coco_caption:tset")


def test_each_task_once_in_the_order_given():
    names = ["librispeech", "coco_caption:val", "librispeech:test-clean", "coco_caption"]
    assert [task.name for task in get_tasks(names)] == [
        *("librispeech", "coco_caption:val", "coco_caption")
    ]
    with pytest.raises(UsageError, match="no task given; name one or more"):
        get_tasks([])


def test_official_sizes():
    """Karpathy's split: 5,000 + 5,000; COCO val2014: 40,504; LibriSpeech: Table 1 of its paper."""
    coco, speech = get_task("coco_caption").file.dataset, get_task("librispeech").file.dataset
    assert {s: d.expected for s, d in coco.splits.items()} == {
        "test": 5000,
        "val": 5000,
        "val2014": 40504,
    }
    assert {s: d.expected for s, d in speech.splits.items()} == {
        "test-clean": 2620,
        "test-other": 2939,
        "dev-clean": 2703,
        "dev-other": 2864,
    }

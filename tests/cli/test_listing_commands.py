"""What `tasks`, `models` and `data` print, and the help of every command."""

from __future__ import annotations

import json
import re

import pytest
import typer

from mio_eval.cli import app as program


def test_help_shows_every_summary_whole(invoke):
    ended = invoke("--help")
    assert ended.code == 0
    commands = ended.out.partition("Commands:")[2]
    names = re.findall(r"^  (\w+)  ", commands, re.M)
    assert {
        *("run", "metric", "score", "verify", "compare", "gate", "power", "report", "leaderboard"),
        *("export", "import", "doctor", "tasks", "models", "data"),
    } <= set(names)
    short = [line for line in commands.splitlines() if not line.startswith("  run")]
    assert not [line for line in short if line.endswith("...")]


@pytest.mark.parametrize("group", ["tasks", "models", "data"])
def test_help_of_groups(invoke, group):
    ended = invoke(group, "--help")
    assert ended.code == 0
    assert "..." not in ended.out.partition("Commands:")[2]
    bare = invoke(group)  # nothing given shows the help too
    assert (bare.code, bare.out, bare.err) == (2, "", ended.out)


def test_every_option_is_explained():
    program._register()
    root = typer.main.get_command(program.app)
    commands = {"": root, **root.commands}
    for name, group in root.commands.items():
        commands |= {f"{name} {n}": c for n, c in getattr(group, "commands", {}).items()}
    assert len(commands) >= 17
    for name, command in commands.items():
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_version(invoke):
    from mio_eval import __version__

    assert invoke("--version").out == f"mio-eval {__version__}\n"


def test_tasks_ls(invoke):
    rows = [re.split(r"  +", line) for line in invoke("tasks", "ls").out.splitlines()]
    assert rows[0] == ["task", "modalities", "metric", "splits", "title"]
    assert [row for row in rows if row[0] in ("coco_caption", "librispeech")] == [
        [
            *("coco_caption", "image → text", "cider", "test, val, val2014"),
            "Image captioning, MS-COCO 2014, Karpathy split",
        ],
        [
            *("librispeech", "audio → text", "wer"),
            *("test-clean, test-other, dev-clean, dev-other", "Speech recognition, LibriSpeech"),
        ],
    ]


def test_columns_are_aligned(invoke):
    lines = invoke("tasks", "ls").out.partition("\n\n")[0].splitlines()
    at = lines[0].index("title")
    assert all(line[at - 2 : at] == "  " and line[at] != " " for line in lines)


def test_tasks_show(invoke):
    ended = invoke("tasks", "show", "librispeech:test-other")
    assert ended.code == 0
    assert ended.out.startswith("librispeech:test-other  (version 1, ")
    for text in (
        "split        test-other, 2939 samples",
        "metrics      wer, wer_utt_mean, cer  (primary: wer)",
        "wer: norm=whisper-en",
        "num_beams=5",
        "mio-instruct  'Please transcribe this speech.{separator}{audio}'",
        "get:      test-clean.tar.gz",
        "hub:      openslr/librispeech_asr at main",
        "MIO, arXiv 2409.17692v4, section 3.3, Tables 5, 11 and 12",
    ):
        assert text in ended.out


def test_models(invoke):
    listed = invoke("models", "ls").out
    assert re.search(r"^predictions  outputs made elsewhere", listed, re.M)
    assert re.search(r"^starter      small pretrained models", listed, re.M)
    shown = invoke("models", "show", "starter").out
    assert "audio → text: Whisper tiny.en" in shown
    assert "--model-args threads=…" in shown
    assert shown.count("weights: ") == 4
    assert "--model-args path=…" in invoke("models", "show", "predictions").out


def test_data_ls(invoke, data_dir):
    (data_dir / "LibriSpeech").rename(data_dir / "elsewhere")
    ended = invoke("data", "ls", "--data-dir", data_dir)
    rows = [re.split(r"  +", line) for line in ended.out.splitlines()]
    assert rows[0] == ["task", "on disk", "sample", "hub", "licence"]
    by_name = {row[0]: row[1:] for row in rows[1:]}
    assert by_name["coco_caption"][:2] == ["yes", "yes"]
    assert by_name["librispeech"] == ["no", "yes", "openslr/librispeech_asr", "CC BY 4.0"]


def test_data_show(invoke, data_dir):
    ended = invoke("data", "show", "librispeech", "--data-dir", data_dir, "-n", "2")
    folder = data_dir / "LibriSpeech/test-clean/100/7"
    assert ended.out.splitlines() == [
        "100-7-0000 (cluster 100)",
        f"  audio: {folder}/100-7-0000.flac",
        "  reference: ONE TWO",
        "100-7-0001 (cluster 100)",
        f"  audio: {folder}/100-7-0001.flac",
        "  reference: ONE TWO THREE",
    ]


def test_data_show_sample(invoke):
    ended = invoke("data", "show", "coco_caption", "--data", "sample", "-n", "1")
    assert ended.code == 0
    assert ended.out.count("reference: ") >= 1


def test_data_show_hides_control_characters(invoke, data_dir):
    path = data_dir / "coco/dataset_coco.json"
    data = json.loads(path.read_text())
    data["images"][0]["sentences"][0]["raw"] = "a \x1b[31mred\x1b[0m cat\nreference: forged"
    path.write_text(json.dumps(data))
    ended = invoke("data", "show", "coco_caption", "--data-dir", data_dir, "-n", "1")
    assert "\x1b" not in ended.out
    assert "  reference: a �[31mred�[0m cat reference: forged\n" in ended.out


def test_data_check_counts_and_names_problems(invoke, data_dir):
    (data_dir / "coco/val2014/COCO_val2014_000000001003.jpg").unlink()
    ended = invoke("data", "check", "coco_caption", "--data-dir", data_dir)
    assert ended.out.splitlines() == [
        f"1003: image {data_dir}/coco/val2014/COCO_val2014_000000001003.jpg does not exist",
        "12 samples, the official split has 5000",
        f"{data_dir}/coco: 2 problems",
    ]
    assert ended.code == 4


def test_data_check_says_one_problem(invoke, data_dir):
    ended = invoke("data", "check", "librispeech", "--data-dir", data_dir)
    assert ended.out.endswith("LibriSpeech: 1 problem\n")
    assert ended.code == 4


def test_data_check_shows_the_first_twenty(invoke, tmp_path, data_dir):
    for path in (data_dir / "LibriSpeech").rglob("*.flac"):
        path.unlink()
    for path in (data_dir / "LibriSpeech").rglob("*.trans.txt"):
        path.write_text(path.read_text() + path.read_text())
    ended = invoke("data", "check", "librispeech", "--data-dir", data_dir)
    lines = ended.out.splitlines()
    assert len(lines) == 22
    assert lines[4:6] == [
        "duplicate id 100-7-0000",
        f"100-7-0000: audio {data_dir}/LibriSpeech/test-clean/100/7/100-7-0000.flac does not exist",
    ]
    assert lines[20] == "… and 17 more"
    assert lines[21].endswith(": 37 problems")


@pytest.mark.parametrize("task", ["coco_caption", "librispeech"])
def test_bundled_sample_is_whole(invoke, task):
    ended = invoke("data", "check", task, "--data", "sample")
    assert ended.out.endswith(": ok\n")
    assert ended.code == 0

"""The tables of a run: values, intervals, counts, definitions, flags, published results."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from mio_eval.report import write_report
from mio_eval.report.markdown import escape, markdown
from mio_eval.report.tables import task_tables
from mio_eval.report.terminal import print_run


def terminal(path, data, width=200, **options):
    buffer = io.StringIO()
    print_run(path, data, Console(file=buffer, width=width, **options))
    return buffer.getvalue()


def both(path, data):
    """Both outputs, the Markdown one without its escapes."""
    return {
        "terminal": terminal(path, data),
        "markdown": re.sub(r"\\([^\w\s])", r"\1", markdown(path, data)),
    }


def test_numbers_and_definitions(run_of):
    path, data = run_of()
    score = data["results"]["librispeech"]["wer"]
    interval = f"[{score['ci_low']:.2f}, {score['ci_high']:.2f}]"
    for kind, text in both(path, data).items():
        row = next(line for line in text.splitlines() if "WER % ↓" in line)
        cells = re.split(r" *\| +| {2,}", row.strip(" |"))
        assert cells == ["WER % ↓", f"{score['value']:.2f}", interval, "12/12", "0"], kind
        for metric in data["results"]["librispeech"].values():
            assert metric["signature"] in text
        assert "Speech recognition, LibriSpeech" in text
        assert "p.jsonl" in text
        assert f"complete: {path.name}" in text or f"complete: {path}" in text


def test_equal_notes_are_merged(run_of):
    for text in both(*run_of()).values():
        lines = [line for line in text.splitlines() if "clusters only" in line]
        assert len(lines) == 1
        assert lines[0].endswith("interval from 3 clusters only (WER, WER (utterance mean), CER)")


LIBRISPEECH_ROWS = [
    ("Wav2vec 2.0", "2.7"),
    ("Whisper Large V2", "2.7"),
    ("AnyGPT (8B)", "8.5"),
    ("MIO-Base (7B)", "6.3"),
    ("MIO-Instruct (7B)", "10.3"),
]
COCO_ROWS = [
    ("Emu-Base (14B)", "112.4"),
    ("Emu-I (14B)", "120.4"),
    ("SEED-LLaMA-I (8B)", "124.5"),
    ("AnyGPT (8B)", "107.5"),
    ("Flamingo (9B)", "79.4"),
    ("Flamingo (80B)", "84.3"),
    ("Kosmos-1 (1.6B)", "84.7"),
    ("MetaLM (1.7B)", "82.2"),
    ("IDEFICS-I (80B)", "117.2"),
    ("CM3Leon (7B)", "61.6"),
    ("MIO-Instruct (7B)", "120.4"),
]


@pytest.mark.parametrize(
    ("task", "table", "rows"),
    [("librispeech", "Table 5", LIBRISPEECH_ROWS), ("coco_caption", "Table 3", COCO_ROWS)],
)
def test_published_rows_stand_beside_ours(run_of, task, table, rows):
    path, data = run_of(task, name="ours")
    value = next(s["value"] for s in data["results"][task].values() if s["primary"])
    for text in both(path, data).values():
        tail = text[text.index("published: ") :]
        assert tail.startswith(f"published: MIO (arXiv 2409.17692v4), {table}")
        found = [re.split(r" *\| +| {2,}", line.strip(" |")) for line in tail.splitlines()]
        cells = [tuple(cell[:2]) for cell in found if len(cell) >= 2]
        assert ("ours [INCOMPLETE DATA]", f"{value:.2f}") in cells
        assert [cell for cell in cells if cell in rows] == rows


def flags(data):
    (table,) = task_tables(data)
    return [flag.partition(":")[0] for flag in table.flags], table.published[0].own[0]


def test_flag_incomplete(run_of):
    path, data = run_of(name="m")
    assert flags(data) == (["INCOMPLETE DATA"], "m [INCOMPLETE DATA]")
    for text in both(path, data).values():
        assert "INCOMPLETE DATA: 12 samples, the split has 2620" in text


def test_flag_limit(run_of):
    path, data = run_of(name="m", limit=5)
    assert flags(data) == (["LIMIT"], "m [LIMIT]")
    for text in both(path, data).values():
        assert "LIMIT: the first 5 of 2620 samples" in text


def test_flag_sample(run_of):
    path, data = run_of(name="m", data="sample")
    assert flags(data) == (["SAMPLE", "PARTIAL"], "m [SAMPLE, PARTIAL]")
    for text in both(path, data).values():
        assert "bundled samples, not the benchmark; not comparable with published results" in text


def test_flag_other_split(run_of):
    path, data = run_of("coco_caption:val2014", name="m")
    assert flags(data) == (["INCOMPLETE DATA", "OTHER SPLIT"], "m [INCOMPLETE DATA, OTHER SPLIT]")
    for text in both(path, data).values():
        assert "OTHER SPLIT: val2014, the published rows use test" in text


def test_flag_partial(run_of):
    path, data = run_of(name="m", drop=3)
    assert flags(data) == (["INCOMPLETE DATA", "PARTIAL"], "m [INCOMPLETE DATA, PARTIAL]")
    for text in both(path, data).values():
        assert "PARTIAL: 3 of 12 samples have no score" in text
        assert "9/12" in text
        assert "FAILED: librispeech: 3 of 12 samples failed, --max-failures allows 0" in text
        assert "failed at generate: 3" in text


def test_no_flag_on_the_whole_split(run_of):
    _, data = run_of(name="m")
    data["data"]["librispeech"]["n"] = 2620
    assert flags(data) == ([], "m")


def test_place_of_failures_is_a_real_path(run_of):
    path, data = run_of("coco_caption:val2014", drop=1)
    shown = re.search(r"\(see (\S+)\)", terminal(path, data)).group(1)
    assert (path / shown).is_file()


def test_absent_metrics_are_said(run_of):
    for text in both(*run_of("coco_caption")).values():
        assert "absent: meteor: " in text
        assert "absent: spice: " in text


def test_no_value_is_a_dash(run_of):
    path, data = run_of(drop=12)
    for text in both(path, data).values():
        row = next(line for line in text.splitlines() if "WER % ↓" in line)
        assert row.count("–") == 2
        assert "0/12" in row
        assert "no sample was scored (WER" in text


HOSTILE = [
    "<script>alert(1)</script>",
    "a|b|c",
    "line\nbreak\r\nmore",
    "`code` **bold** _it_ [x](http://evil)",
    "[bold]red[/bold] [/]",
    "&lt;b&gt;",
    "# heading",
    "\x1b[31mred\x07",
    "=1+1",
    "a\u2028b\u202ec",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_model_name(run_of, name):
    path, data = run_of(name=name)
    harmless = "".join(c if c.isprintable() else "�" for c in " ".join(name.split()))
    shown = terminal(path, data)
    assert f"model {harmless}" in shown
    assert f"{harmless} [INCOMPLETE DATA]" in shown
    text = markdown(path, data)
    assert text.splitlines()[0] == f"# mio-eval: {escape(harmless)}"
    for output in (shown, text):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028\u202e]", output)
    # Every table row keeps its number of cells, and no character of markup is left bare.
    row = next(line for line in text.splitlines() if "INCOMPLETE DATA" in line and "|" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    for line in (text.splitlines()[0][2:], row.strip("| ")):
        assert not re.search(r"(?<!\\)[<>`*_\[\]#&]", line)
    assert len(text.splitlines()) == len(markdown(path, run_of(name="plain")[1]).splitlines())


def test_hostile_file_name(run_of):
    path, data = run_of(file="<b>x`|y[bold].jsonl")
    assert path.parent.name == "runs"
    assert re.fullmatch(r"[\w.-]+", path.name)
    assert "<b>x`|y[bold].jsonl" in terminal(path, data)
    assert "<b>" not in markdown(path, data)
    assert r"\<b\>x\`\|y\[bold\].jsonl" in markdown(path, data)


def test_narrow_terminal_keeps_the_numbers_whole(run_of):
    path, data = run_of()
    text = terminal(path, data, width=80)
    score = data["results"]["librispeech"]["wer"]
    assert f"{score['value']:.2f}" in text
    assert score["signature"] in text.replace("\n", "")


def test_colour_only_where_the_terminal_has_it(run_of):
    path, data = run_of()
    assert "\x1b[" not in terminal(path, data)
    assert "\x1b[1m" in terminal(path, data, force_terminal=True)


def test_report_file(run_of):
    path, data = run_of()
    (path / "report.md").unlink(missing_ok=True)
    assert write_report(path, data) == path / "report.md"
    assert (path / "report.md").read_text(encoding="utf-8") == markdown(path, data)
    assert data["started"].replace("+", r"\+") in markdown(path, data)


def test_task_that_is_gone_still_has_its_numbers(run_of):
    path, data = run_of()
    for part in ("tasks", "data", "results"):
        data[part] = {"forgotten": data[part]["librispeech"]}
    for text in both(path, data).values():
        assert "forgotten" in text
        assert "WER % ↓" in text
        assert "published" not in text


def test_flags_of_every_metric_of_a_published_table(run_of):
    """The table's row bears the flags of all the values in it, not of the primary one alone."""
    _, data = run_of()
    facts = data["tasks"]["librispeech"]
    facts["primary"] = "cer"
    wer = data["results"]["librispeech"]["wer"]
    (before,) = task_tables(data)[0].published
    wer.update(n_failed=2, n_scored=10)
    (failed,) = task_tables(data)[0].published
    facts["metrics"]["wer"]["norm"] = "none"
    (other,) = task_tables(data)[0].published
    assert "PARTIAL" not in before.own[0]
    assert "PARTIAL" in failed.own[0]
    assert "OTHER SETTINGS" not in failed.own[0]
    assert "OTHER SETTINGS" in other.own[0]

"""HTML reports as files: what is in them, and that nothing in them is markup of a model's."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from mio_eval.engine.rundir import RunDirectory
from mio_eval.errors import UsageError
from mio_eval.report import write_report
from mio_eval.report.html import write_html
from mio_eval.report.html.media import MediaStore, sniff
from mio_eval.report.html.page import asset, data_json
from mio_eval.report.html.samples import alignment, cut
from mio_eval.report.runs import read_runs
from mio_eval.verify import verify


class Page(HTMLParser):
    """The scripts, styles and policy of a page, by Python's own parser."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.styles, self.policy, self.tags = [], [], "", []
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "script":
            self._open = (self.scripts, attributes)
        if tag == "style":
            self._open = (self.styles, attributes)
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_data(self, data):
        if self._open:
            self._open[0].append((self._open[1], data))
            self._open = None

    def data(self, name):
        """The JSON of a script element."""
        return next(
            json.loads(text)
            for attributes, text in self.scripts
            if name in (attributes.get("id"), attributes.get("data-chunk"))
        )


def read(path):
    return Page(path.read_text(encoding="utf-8"))


def hashed(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture
def report(run_of):
    path, _ = run_of(name="m", data="sample", task="librispeech")
    return path


def test_the_policy_names_every_script_and_style_and_no_network(run_of, tmp_path):
    path, _ = run_of(name="m")
    page = read(write_html(read_runs([path]), tmp_path / "r.html"))
    directives = dict(d.split(" ", 1) for d in page.policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'none'"
    assert "unsafe" not in page.policy
    assert "http" not in page.policy
    run = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(run) == 2
    for text in run:
        assert hashed(text) in directives["script-src"]
    (style,) = page.styles
    assert hashed(style[1]) in directives["style-src"]
    # No address in any attribute: nothing is linked, fetched or embedded from elsewhere.
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster"):
            value = attributes.get(name) or ""
            assert value in ("", "data:,", "#main"), (tag, name, value)
        assert not any(name.startswith("on") for name in attributes)


def test_samples_scores_and_alignment_are_in_the_page(run_of, tmp_path):
    path, data = run_of(name="m")
    page = read(write_html(read_runs([path]), tmp_path / "r.html"))
    facts = page.data("facts")
    (task,) = facts["tasks"]
    (run,) = task["runs"]
    metric = next(m for m in run["metrics"] if m["primary"])
    assert metric["value"] == data["results"]["librispeech"]["wer"]["value"]
    assert metric["signature"] == data["results"]["librispeech"]["wer"]["signature"]
    samples = page.data(run["chunks"][0])
    lines = (path / "librispeech" / "samples.jsonl").read_text().splitlines()
    by_id = {json.loads(line)["id"]: json.loads(line) for line in lines}
    assert [s["id"] for s in samples] == sorted(by_id)
    lines = (path / "librispeech" / "stats.jsonl").read_text().splitlines()
    stats = {json.loads(line)["id"]: json.loads(line) for line in lines}
    for sample in samples:
        record = by_id[sample["id"]]
        assert sample["s"] == stats[sample["id"]]["scores"]
        assert sample["o"] == {"x": record["output"]["text"]}
        assert sample["r"] == record["references"]
        said = " ".join(piece[1] for piece in sample["al"] if piece[1])
        assert said == stats[sample["id"]]["details"]["wer"]["reference"]


def test_alignment_pieces():
    # By hand: a→x (substituted), b kept, c left out, y put in.
    detail = {
        "reference": "a b c",
        "hypothesis": "x b",
        "alignment": [["substitute", 0, 1, 0, 1], ["equal", 1, 2, 1, 2], ["delete", 2, 3, 2, 2]],
    }
    assert alignment({"cer": {}, "wer": detail}) == [
        ["substitute", "a", "x"],
        ["equal", "b", "b"],
        ["delete", "c", ""],
    ]
    inserted = {"reference": "a", "hypothesis": "a y z", "alignment": [["insert", 1, 1, 1, 3]]}
    assert alignment({"wer": inserted}) == [["insert", "", "y z"]]
    assert alignment({"choice_acc": {"read": "A"}}) is None


HOSTILE = ["</script><script>", "<!--<script>", "]]>", "&amp;", "a\u2028b", "\ud800", '"\\']


@pytest.mark.parametrize("text", HOSTILE)
def test_json_in_a_script_element_stays_data(text):
    encoded = data_json({"x": cut(text)})
    assert not set("<>&\u2028\u2029") & set(encoded)
    encoded.encode()
    page = Page(f"<script>{encoded}</script><p>")
    assert json.loads(page.scripts[0][1]) == {"x": cut(text)}
    assert [tag for tag, _ in page.tags] == ["script", "p"]


def test_folder_has_chunks_and_no_stale_ones(run_of, tmp_path):
    path, _ = run_of(name="m")
    (tmp_path / "r" / "data").mkdir(parents=True)
    (tmp_path / "r" / "data" / "t9-r9-000.js").write_text("old")
    page = write_html(read_runs([path]), tmp_path / "r")
    assert page == tmp_path / "r" / "index.html"
    assert [p.name for p in (tmp_path / "r" / "data").iterdir()] == ["t0-r0-000.js"]
    text = (tmp_path / "r" / "data" / "t0-r0-000.js").read_text()
    samples = json.loads(re.fullmatch(r'mioChunk\("t0-r0-000", (.*)\);\n', text)[1])
    assert len(samples) == 12


def test_inputs_of_sample_data_are_embedded_and_others_named(report, tmp_path):
    page = read(write_html(read_runs([report]), tmp_path / "r.html"))
    facts = page.data("facts")
    samples = page.data(facts["tasks"][0]["runs"][0]["chunks"][0])
    for sample in samples:
        (audio,) = [part for part in sample["p"] if "k" in part]
        assert facts["media"][audio["m"]]["type"] == "audio/flac"
        raw = next(t for a, t in page.scripts if a.get("id") == f"m-{audio['m']}")
        assert hashlib.sha256(base64.b64decode(raw)).hexdigest() == audio["h"]
    page = read(write_html(read_runs([report]), tmp_path / "bare.html", inputs=False))
    assert page.data("facts")["media"] == {}


def test_local_data_are_found_where_the_run_says_or_where_told(run_of, tmp_path):
    path, _ = run_of(name="m")
    found = read(write_html(read_runs([path]), tmp_path / "a.html")).data("facts")["media"]
    assert len(found) == 12
    shutil.move(tmp_path / "data", tmp_path / "moved")
    assert not read(write_html(read_runs([path]), tmp_path / "b.html")).data("facts")["media"]
    page = write_html(read_runs([path]), tmp_path / "c.html", data_dir=tmp_path / "moved")
    assert len(read(page).data("facts")["media"]) == 12


def test_a_changed_original_is_not_shown(run_of, tmp_path):
    path, _ = run_of(name="m")
    for file in (tmp_path / "data").rglob("*.flac"):
        file.write_bytes(file.read_bytes() + b"x")
    assert not read(write_html(read_runs([path]), tmp_path / "a.html")).data("facts")["media"]


def test_an_output_outside_the_run_is_not_shown(run_of, tmp_path):
    """A run directory may come from a stranger: it must not make a page out of other files."""
    path, _ = run_of(name="m")
    secret = b"\x89PNG\r\n\x1a\n secret"
    (tmp_path / "secret.png").write_bytes(secret)
    journal = path / "librispeech" / "samples.jsonl"
    record = json.loads(journal.read_text().splitlines()[0])
    record["output"] = {"image": "../../secret.png", "sha256": hashlib.sha256(secret).hexdigest()}
    journal.write_text(json.dumps(record) + "\n")
    for out in (tmp_path / "one.html", tmp_path / "many"):
        page = read(write_html(read_runs([path]), out, inputs=False))
        assert page.data("facts")["media"] == {}
    assert not list((tmp_path / "many").rglob("*.png"))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"fLaC", "audio/flac"),
        (b"....ftypisom", "video/mp4"),
        (b"<svg onload=x>", None),
        (b"<html>", None),
        (b"RIFF....AVI LIST", None),
        (b"", None),
    ],
)
def test_media_types_come_from_the_bytes(head, kind):
    assert sniff(head) == kind


def test_media_limits(tmp_path):
    data = b"\x89PNG\r\n\x1a\n" + bytes(1000)
    digest = hashlib.sha256(data).hexdigest()
    store = MediaStore("embed", tmp_path, limit=500)
    key = store.add(digest, "image", lambda: data)
    assert "left out for its size" in store.index[key]["why"]
    store = MediaStore("embed", tmp_path, limit=5000)
    assert store.add(digest, "image", lambda: data) == store.add(digest, "image", lambda: data)
    assert store.total == len(data)
    assert store.add("0" * 64, "image", lambda: data) is None  # not the file that was scored
    wrong = store.add(digest[::-1], "audio", lambda: data)
    assert wrong is None


def test_the_runs_own_report_is_linked_and_not_hashed(run_of):
    path, data = run_of(name="m")
    assert write_report(path, data) == path / "report.md"
    assert (path / "report.html").is_file()
    assert "report.html" not in RunDirectory(path).hash_files()
    assert verify(path).ok


def test_a_page_that_cannot_be_written(run_of, tmp_path):
    path, _ = run_of(name="m")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="choose another --out"):
        write_html(read_runs([path]), tmp_path / "file" / "r.html")


def test_the_bundled_library_is_the_one_its_page_names():
    text = asset("vendor/README.md")
    wanted = re.search(r"sha256 `([0-9a-f]{64})`", text)[1]
    assert hashlib.sha256(asset("vendor/chart.umd.min.js").encode()).hexdigest() == wanted
    assert "MIT License" in asset("vendor/chart.js-LICENSE.md")
    assert "Chart.js v4.6.1" in asset("vendor/chart.umd.min.js")[:80]


def test_scripts_never_parse_markup():
    """Text goes into pages as text nodes; our scripts have no other way."""
    from mio_eval.report.html.page import BOARD_SCRIPTS, REPORT_SCRIPTS

    for name in {*BOARD_SCRIPTS, *REPORT_SCRIPTS}:
        text = asset(name)
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "fetch(",
        ):
            assert word not in text, (name, word)


def test_scripts_take_any_number_of_samples():
    """A list spread into a call is as many arguments: browsers allow fewer than VQAv2 has."""
    from mio_eval.report.html.page import REPORT_SCRIPTS

    for name in REPORT_SCRIPTS:
        assert not re.search(r"Math\.\w+\(\.\.\.", asset(name)), name

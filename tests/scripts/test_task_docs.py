"""The pages of docs/tasks are what the script writes from the task files."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts_loader import load_script

from mio_eval.tasks import all_tasks, get_task

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "tasks"


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/build_task_docs.py")


def test_pages_are_current(script):
    again = "run python scripts/build_task_docs.py"
    for family in script.FAMILIES:
        path = FOLDER / f"{family.name}.md"
        assert path.read_text(encoding="utf-8") == script.page(family), again
    assert {path.stem for path in FOLDER.glob("*.md")} == {f.name for f in script.FAMILIES}, again


def test_every_shipped_task_has_a_section(script):
    assert sorted(t for f in script.FAMILIES for t in f.tasks) == [t.name for t in all_tasks()]


def test_pages_are_in_the_navigation(script):
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for family in script.FAMILIES:
        assert f"{family.title}: tasks/{family.name}.md" in navigation


def test_a_page_says_what_the_task_file_says(script):
    text = script.section(get_task("seed_bench"))
    for words in ("14233", "CC BY-NC 4.0", "`rule=first-char`", "Question: {question}\\nAnswer:"):
        assert words in text
    assert "| MIO-Instruct (7B) | 54.4 |" in text
    for page in script.METRIC_PAGES:
        assert (ROOT / "docs" / "metrics" / f"{page}.md").is_file()


def test_code_in_tables(script):
    assert script.code("a\nb|c") == "`a\\nb\\|c`"
    assert script.code("of ``{x}''") == "```of ``{x}''```"
    assert script.code("`x") == "`` `x ``"
    assert script.code(" {choice}") == "` {choice}`"

"""Takes the screenshots of docs/images: real runs on the sample data, in a real browser.

Needs chromium, chromedriver, selenium and Pillow: `python scripts/screenshots.py`. The second run
answers with the references, every seventh word left out, so that there is something to compare.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from mio_eval.engine import Options, evaluate
from mio_eval.report.html import write_html
from mio_eval.report.html.site import write_site
from mio_eval.report.leaderboard import find_runs
from mio_eval.report.runs import read_runs

IMAGES = Path(__file__).parent.parent / "docs" / "images"
TASKS = ("coco_caption", "librispeech", "coco_t2i", "msvd_qa")
COLOURS = 128
LIMIT = 200_000  # bytes of a picture
FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars")
INTO_VIEW = "document.querySelector('{}').scrollIntoView()"


def make_runs(folder: Path) -> list[Path]:
    """Run the starter model, then the answers made from its run's references."""
    first = evaluate(Options(tasks=TASKS, data="sample", out=str(folder))).path
    lines = (first / "librispeech" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    answers = folder / "answers.jsonl"
    with answers.open("w", encoding="utf-8") as file:
        for record in map(json.loads, lines):
            words = record["references"][0].lower().split()
            kept = [word for i, word in enumerate(words) if i % 7 != 6]
            file.write(json.dumps({"id": record["id"], "text": " ".join(kept)}) + "\n")
    options = Options(
        tasks=("librispeech",),
        model="predictions",
        model_args={"path": str(answers), "name": "every seventh word left out"},
        data="sample",
        out=str(folder),
    )
    return [first, evaluate(options).path]


def shoot(
    driver: webdriver.Chrome, name: str, page: Path, fragment: str = "", do: str = ""
) -> None:
    """Open a page, do something in it, and keep a picture of what is in the window."""
    driver.get("about:blank")
    driver.get(page.absolute().as_uri() + fragment)
    WebDriverWait(driver, 20).until(
        lambda d: d.execute_script("return document.documentElement.dataset.ready === 'true'")
    )
    if fragment.startswith("#task"):
        WebDriverWait(driver, 20).until(
            lambda d: d.execute_script("return document.querySelector('.row') !== null")
        )
    driver.execute_script(do)
    driver.execute_async_script("setTimeout(arguments[0], 800)")
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    target = IMAGES / name
    picture.quantize(COLOURS).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")
    if target.stat().st_size > LIMIT:
        raise SystemExit(f"{target} is larger than {LIMIT:,} bytes; use fewer colours")


def main() -> None:
    """Make the runs (or take those of the folder given), the pages and the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 1:
            runs = sorted(path.parent for path in Path(sys.argv[1]).glob("*/run.json"))
        else:
            runs = make_runs(folder / "runs")
        IMAGES.mkdir(parents=True, exist_ok=True)
        report = write_html(read_runs(runs), folder / "report.html")
        site = write_site(find_runs(runs), folder / "site", title="mio-eval leaderboard")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*FLAGS, "--window-size=1280,860"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        samples = INTO_VIEW.format(".filters")
        dark = "document.documentElement.dataset.theme = 'dark';"
        second = "document.querySelector('.row[data-at=\"1\"]').click();"
        one_task = "const t = document.querySelector('#task'); t.value = 'librispeech';"
        one_task += "t.dispatchEvent(new Event('change'))"
        try:
            shoot(driver, "report-overview.png", report, "#overview")
            shoot(driver, "report-image.png", report, "#task-0", samples)
            shoot(driver, "report-speech-two-runs.png", report, "#task-1", second + samples)
            shoot(driver, "report-video-dark.png", report, "#task-3", dark + samples)
            shoot(driver, "leaderboard.png", site, do=one_task)
        finally:
            driver.quit()


if __name__ == "__main__":
    main()

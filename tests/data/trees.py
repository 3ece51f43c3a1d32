"""Small data sets in the official layout of every reader, made at test time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def put(path: Path, data: Any) -> Path:
    """Write JSON, text or bytes, making folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
    return path


def picture(path: Path, number: int = 0) -> Path:
    """Write a small image: red on top, blue below."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((12, 16, 3), dtype=np.uint8)
    pixels[:6] = (220, number, 20)
    pixels[6:] = (20, number, 220)
    Image.fromarray(pixels).save(path, "PNG" if not path.suffix else None)
    return path


def tone(path: Path, seconds: float = 0.5, rate: int = 16_000, channels: int = 1) -> Path:
    """Write a tone, of another amplitude in each channel."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.sin(2 * np.pi * 400 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, np.stack([wave * 0.4 / (c + 1) for c in range(channels)], -1), rate)
    return path


def vqa_answers(number: int) -> list[dict[str, Any]]:
    words = ["yes"] * 6 + [f"nein {number}", "ja", "ja", "猫"]
    return [{"answer": w, "answer_id": i + 1} for i, w in enumerate(words)]


def vqav2(root: Path) -> None:
    folder = root / "vqav2"
    numbers = range(4)
    questions = [
        {"question_id": 100 + n, "image_id": n // 2, "question": f"Was ist {n}?"} for n in numbers
    ]
    annotations = [{"question_id": 100 + n, "answers": vqa_answers(n)} for n in numbers]
    put(folder / "v2_OpenEnded_mscoco_val2014_questions.json", {"questions": questions})
    put(folder / "v2_mscoco_val2014_annotations.json", {"annotations": annotations})
    for n in range(2):
        picture(root / "coco" / "val2014" / f"COCO_val2014_{n:012d}.jpg", n)


def okvqa(root: Path) -> None:
    vqav2(root)
    folder = root / "okvqa"
    folder.mkdir()
    for old, new in (
        ("v2_OpenEnded_mscoco_val2014_questions", "OpenEnded_mscoco_val2014_questions"),
        ("v2_mscoco_val2014_annotations", "mscoco_val2014_annotations"),
    ):
        (root / "vqav2" / f"{old}.json").rename(folder / f"{new}.json")


def vizwiz(root: Path) -> None:
    rows = [
        {
            **{
                "image": f"VizWiz_val_{n:08d}.jpg",
                "question": f"WHAT is {n}?",
                "answerable": n % 2,
            },
            "answers": vqa_answers(n),
        }
        for n in range(4)
    ]
    put(root / "vizwiz" / "Annotations" / "val.json", rows)
    for row in rows:
        picture(root / "vizwiz" / "val" / str(row["image"]))


def seed_bench(root: Path) -> None:
    rows = [
        {
            **{"answer": "ABCD"[n], "data_id": f"{n}_1", "data_type": "image", "question_id": n},
            **{"question": f"Où est {n}?", "question_type_id": 1},
            **{f"choice_{c}": f"{c}{n}" for c in "abcd"},
        }
        for n in range(4)
    ]
    other = {**rows[0], "question_id": "v", "data_type": "video"}
    data = {"questions": [*rows, other], "question_type": {"Scene Understanding": 1}}
    put(root / "seed_bench" / "SEED-Bench.json", data)
    for n in range(4):
        picture(root / "seed_bench" / "SEED-Bench-image" / f"{n}_1", n)


def omnibench(root: Path) -> None:
    kinds = ("Speech", "Sound Event", "music", "speech")
    rows = [
        {
            **{"index": n, "question": f"什么是 {n}?", "audio type": kinds[n], "answer": f"b{n}"},
            **{"options": [f"a{n}", f"b{n}", f"c{n}", f"d{n}"]},
            **{"image_path": f"{n}.png", "audio_path": f"{n}.wav"},
        }
        for n in range(4)
    ]
    folder = root / "omnibench"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    put(folder / "batch-5_1142_20240817.jsonl", lines)
    for n in range(4):
        picture(folder / "mm_data" / "image" / f"{n}.png", n)
        tone(folder / "mm_data" / "audio" / f"{n}.wav", rate=44_100, channels=1 + n % 2)


def flickr30k(root: Path) -> None:
    rows = [
        {"filename": f"{n}.jpg", "split": "test", "sentences": [{"raw": f" Ein Hündchen {n}. "}]}
        for n in range(4)
    ]
    rows.append({**rows[0], "filename": "x.jpg", "split": "train"})
    put(root / "flickr30k" / "dataset_flickr30k.json", {"images": rows})
    for n in range(4):
        picture(root / "flickr30k" / "flickr30k-images" / f"{n}.jpg", n)


def vctk(root: Path) -> None:
    """Two speakers with two recordings each, of 48 kHz."""
    for n in range(4):
        name = f"p22{5 + n // 2}/p22{5 + n // 2}_00{1 + n % 2}"
        put(root / "vctk" / "txt" / f"{name}.txt", f"Please call Stéphane {n}.\n")
        tone(root / "vctk" / "wav48_silence_trimmed" / f"{name}_mic1.flac", 4 - n, 48_000)


def globe(root: Path) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile

    columns: dict[str, list[Any]] = {"audio": [], "transcript": [], "speaker_id": []}
    for n in range(4):
        stream = io.BytesIO()
        soundfile.write(stream, np.zeros(2400), 24_000, format="WAV")
        columns["audio"].append({"bytes": stream.getvalue(), "path": f"{n}.wav"})
        columns["transcript"].append(f" Große Straße {n} ")
        columns["speaker_id"].append(f"S_{n // 2}")
    (root / "globe").mkdir(parents=True)
    pq.write_table(pa.table(columns), root / "globe" / "test-00000-of-00001.parquet")


def videos(root: Path, folder: str, names: list[str]) -> None:
    from media.clips import numbered, write_clip

    rows = [
        {"id": n, "video_id": 1 + n // 2, "question": f"qué es {n}?", "answer": f"chien {n}"}
        for n in range(4)
    ]
    put(root / folder / "test_qa.json", rows)
    for name in names:
        (root / folder / "video").mkdir(parents=True, exist_ok=True)
        write_clip(root / folder / "video" / name, [numbered(n) for n in range(9)])


def msvd_qa(root: Path) -> None:
    videos(root, "msvd_qa", ["-4wsuPC_5_15.avi", "klteYv1_6_8.avi"])
    put(root / "msvd_qa" / "youtube_mapping.txt", "-4wsuPC_5_15 vid1\nklteYv1_6_8 vid2\n")


def msrvtt_qa(root: Path) -> None:
    videos(root, "msrvtt_qa", ["video1.mp4", "video2.mp4"])


def mmlu(root: Path) -> None:
    rows = [
        {
            **{"question": f"Qué es {n}?", "choices": [f"{c}{n}" for c in "wxyz"]},
            **{"answer": n, "subject": "astronomy"},
        }
        for n in range(4)
    ]
    put(root / "mmlu" / "test.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


TREES: dict[str, tuple[Callable[[Path], None], str]] = {
    "vqav2": (vqav2, "vqav2/v2_OpenEnded_mscoco_val2014_questions.json"),
    "okvqa": (okvqa, "okvqa/OpenEnded_mscoco_val2014_questions.json"),
    "vizwiz": (vizwiz, "vizwiz/Annotations/val.json"),
    "seed_bench": (seed_bench, "seed_bench/SEED-Bench.json"),
    "omnibench": (omnibench, "omnibench/batch-5_1142_20240817.jsonl"),
    "flickr30k_t2i": (flickr30k, "flickr30k/dataset_flickr30k.json"),
    "vctk_tts": (vctk, "vctk/txt/p225/p225_001.txt"),
    "vctk_tts_voice": (vctk, "vctk/txt/p225/p225_001.txt"),
    "globe_tts": (globe, "globe/test-00000-of-00001.parquet"),
    "msvd_qa": (msvd_qa, "msvd_qa/test_qa.json"),
    "msrvtt_qa": (msrvtt_qa, "msrvtt_qa/test_qa.json"),
    "mmlu": (mmlu, "mmlu/test.jsonl"),
}
"""Task → what writes its tree, and its main file."""

"""FID and KID through a whole run: features stored, refusals, verify, rescore, resume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import write_coco
from engine.test_judged_tasks import NO_CLIP, Copier, coco_answers
from PIL import Image as Pillow

from mio_eval.annotators.feature_judges import EffnetJudge
from mio_eval.engine import Options, RunResult, evaluate
from mio_eval.engine.annotate import annotate_task
from mio_eval.engine.progress import Silent
from mio_eval.engine.rescore import rescore
from mio_eval.engine.vectors import read_vectors
from mio_eval.errors import UsageError
from mio_eval.metrics.frechet import frechet_distance, moments, squared_mmd
from mio_eval.types import Image
from mio_eval.verify import verify

N = 12
JUDGES = (*NO_CLIP, "image=none", "effnet=starter")


def colours(images) -> np.ndarray:
    """Three features of an image: the mean of each colour."""
    rows = [np.asarray(i.convert("RGB"), dtype=np.float64).mean(axis=(0, 1)) for i in images]
    return np.array(rows, dtype=np.float32).reshape(-1, 3) / np.float32(255)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Features that need no network; counts the images that are asked for."""
    counts: list[int] = []

    def features(self, images):
        counts.append(len(images))
        return colours(images)

    monkeypatch.setattr(EffnetJudge, "features", features)
    monkeypatch.setattr(EffnetJudge, "load", lambda self: None)
    return counts


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """COCO with pictures of different colours, one caption for one picture."""
    root = write_coco(tmp_path / "data", N)
    path = root / "coco" / "dataset_coco.json"
    content = json.loads(path.read_text())
    rng = np.random.default_rng(1)
    for index, row in enumerate(content["images"]):
        row["sentences"][0]["raw"] = f"picture {index}"
        colour = rng.integers(0, 255, (1, 1, 3), dtype=np.uint8)
        picture = Pillow.fromarray(np.broadcast_to(colour, (24, 32, 3)).copy())
        picture.save(root / "coco" / "val2014" / row["filename"])
    path.write_text(json.dumps(content))
    return root


@pytest.fixture
def answers(data: Path, tmp_path: Path) -> dict[str, Path]:
    """Generated pictures: darker ones than the real ones, of the next caption's colour."""
    real = coco_answers(data)
    made = {}
    names = sorted(real)
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        pixels = np.asarray(Pillow.open(real[other])).astype(np.float64) * 0.6
        made[name] = tmp_path / f"{name}.png"
        Pillow.fromarray(pixels.astype(np.uint8)).save(made[name])
    return made


@pytest.fixture
def run(tmp_path: Path, data: Path, answers: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    """Evaluate the pictures with settings of metrics."""

    def call(*settings: str, limit: int | None = None) -> RunResult:
        monkeypatch.setattr("mio_eval.engine.plan.create_model", lambda name, args: Copier(answers))
        options = Options(
            ("coco_t2i",),
            model="copier",
            data_dir=str(data),
            judges=JUDGES,
            metric_settings=settings,
            limit=limit,
            out=str(tmp_path / "runs"),
        )
        return evaluate(options)

    return call


@pytest.fixture(autouse=True)
def _other_primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped task with SSIM in front, which needs no judge."""
    import yaml

    from mio_eval.shipped import shipped

    task = yaml.safe_load((shipped("tasks") / "coco_t2i.yaml").read_text(encoding="utf-8"))
    task.update(primary="ssim", substitutes={}, published=[])
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "coco_t2i.yaml").write_text(yaml.safe_dump(task))
    monkeypatch.setenv("MIO_EVAL_TASKS", str(folder))


def expected_features(data: Path, answers: dict[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    real = coco_answers(data)
    names = sorted(real)
    ours = colours([Pillow.open(answers[name]) for name in names])
    return ours, colours([Pillow.open(real[name]) for name in names])


def test_a_small_set_has_kid_and_no_fid(run, data, answers, asked):
    result = run()
    assert not result.failed
    scores = result.scores["coco_t2i"]
    assert set(scores) == {"ssim", "kid_effnet"}
    absent = result.data["tasks"]["coco_t2i"]["absent"]
    assert "12 images: at least 2048" in absent["fid_effnet"]
    assert "inception=none" in absent["fid"]
    assert "inception=none" in absent["kid"]
    kid = scores["kid_effnet"]
    assert kid["value"] == pytest.approx(squared_mmd(*expected_features(data, answers)), abs=1e-9)
    assert kid["ci_low"] < kid["value"] < kid["ci_high"]
    assert kid["signature"].startswith("kid_effnet|feat:starter/efficientnet-lite0|size:all|n:12|")
    found = verify(result.path)
    assert found.ok, found.problems
    assert asked == [2 * N]


def test_fid_when_asked_for(run, data, answers, asked):
    result = run("fid_effnet.small=allow")
    score = result.scores["coco_t2i"]["fid_effnet"]
    ours, theirs = expected_features(data, answers)
    assert score["value"] == pytest.approx(
        frechet_distance(*moments(ours), *moments(theirs)), abs=1e-9
    )
    assert score["ci_low"] < score["value"] < score["ci_high"]
    assert "|ref:own|small:yes|n:12|" in score["signature"]
    assert "not a comparable FID" in score["note"]
    lines = (result.path / "coco_t2i" / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["scores"]["fid_effnet"] for line in lines] == [None] * N
    assert verify(result.path).ok


def test_no_more_images_than_features_gives_no_interval(run, asked):
    score = run("fid_effnet.small=allow", limit=3).scores["coco_t2i"]["fid_effnet"]
    assert score["value"] > 0
    assert score["ci_low"] is score["ci_high"] is None
    assert "no interval" in score["note"]


def test_a_refused_primary_metric_is_no_complete_run(run, tmp_path, asked):
    path = tmp_path / "tasks" / "coco_t2i.yaml"
    path.write_text(path.read_text().replace("primary: ssim", "primary: fid_effnet"))
    result = run()
    assert result.failed
    assert "no value for fid_effnet" in result.data["reason"]
    assert result.scores["coco_t2i"]["fid_effnet"]["value"] is None
    assert not [p for p in verify(result.path).problems if "fid_effnet" in p]


def test_features_are_stored_once_and_found_again(run, data, answers, asked):
    result = run()
    folder = result.path / "coco_t2i"
    lines = [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]
    places = {line["sample"]: line["value"] for line in lines if line["annotator"] == "effnet"}
    stored = read_vectors(folder, "effnet", [places[i] for i in sorted(places)])
    ids = {f"picture {i}": str(1000 + i) for i in range(N)}
    order = sorted(ids, key=ids.__getitem__)
    expected = colours([Pillow.open(answers[name]) for name in order])
    np.testing.assert_array_equal(stored[:, 0], expected)
    assert (folder / "features.effnet.f32").stat().st_size == N * 2 * 3 * 4
    assert "coco_t2i/features.effnet.f32" in result.data["files"]
    again = rescore(result.path, ("fid_effnet.small=allow",), Silent())
    assert set(again["results"]["coco_t2i"]) == {"ssim", "kid_effnet", "fid_effnet"}
    assert verify(result.path).ok
    assert asked == [2 * N]


def test_changed_features_are_found(run, asked):
    result = run()
    path = result.path / "coco_t2i" / "features.effnet.f32"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    problems = " ".join(verify(result.path).problems)
    assert "features.effnet.f32: sha256 differs" in problems
    assert "are damaged" in problems


def test_a_torn_row_is_made_again(run, data, asked):
    result = run()
    folder = result.path / "coco_t2i"
    path = folder / "features.effnet.f32"
    path.write_bytes(path.read_bytes()[:-5])
    judge = EffnetJudge("starter")
    real = coco_answers(data)
    judge.targets = {str(1000 + i): {"image": Image(real[f"picture {i}"])} for i in range(N)}
    annotate_task(folder, ["effnet"], Silent(), lambda name: judge)
    assert asked[-1] == 2  # one sample
    again = rescore(result.path, (), Silent())
    assert again["results"]["coco_t2i"]["kid_effnet"] == result.scores["coco_t2i"]["kid_effnet"]


def test_precomputed_statistics(run, data, answers, asked, tmp_path):
    mean, covariance = np.full(3, 0.4), np.diag([0.1, 0.2, 0.1])
    path = tmp_path / "reference.npz"
    np.savez(path, mu=mean, sigma=covariance)
    result = run("fid_effnet.small=allow", f"fid_effnet.ref={path}")
    score = result.scores["coco_t2i"]["fid_effnet"]
    ours, _ = expected_features(data, answers)
    assert score["value"] == pytest.approx(
        frechet_distance(*moments(ours), mean, covariance), abs=1e-9
    )
    assert "|ref:sha256-" in score["signature"]
    assert verify(result.path).ok
    np.savez(path, mu=mean + 1, sigma=covariance)
    found = verify(result.path)
    assert found.ok
    assert any("the file changed since" in text for text in found.unchecked)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("fid_effnet.ref=/no/such/file.npz",), "reference statistics /no/such/file.npz"),
        (("fid_effnet.small=perhaps",), "small of metric fid_effnet"),
        (("kid_effnet.size=one",), "kid_effnet.size=one: expected a whole number from 2"),
        (("kid_effnet.subsets=0",), "expected a whole number from 1"),
    ],
)
def test_wrong_settings_stop_before_the_run(run, asked, settings, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        run(*settings)
    assert not asked


def test_subsets_larger_than_the_set_are_refused(run, asked):
    result = run("kid_effnet.size=1000")
    assert "subsets of 1000" in result.data["tasks"]["coco_t2i"]["absent"]["kid_effnet"]
    assert not result.failed


def test_a_broken_picture_fails_its_sample(run, answers, asked):
    answers["picture 3"].write_bytes(b"not a picture")
    score = run().scores["coco_t2i"]["kid_effnet"]
    assert (score["n_scored"], score["n_failed"]) == (N - 1, 1)


def test_features_of_inception(run, tmp_path, monkeypatch):
    """FID's own network, at random weights of the right names and shapes, needs no torchvision."""
    torch = pytest.importorskip("torch")
    from mio_eval.annotators.inception import weight_shapes

    torch.manual_seed(0)
    weights = {
        name: torch.rand(shape) * 0.3 + 0.1
        if name.endswith("running_var")
        else torch.randn(shape) * 0.05
        for name, shape in weight_shapes().items()
    }
    torch.save(weights, tmp_path / "inception.pth")
    monkeypatch.setitem(
        globals(), "JUDGES", (*NO_CLIP, "image=none", f"inception={tmp_path}/inception.pth")
    )
    result = run("fid.small=allow", limit=2)
    scores = result.scores["coco_t2i"]
    assert set(scores) == {"ssim", "fid", "kid"}
    assert scores["fid"]["signature"].startswith("fid|feat:pt_inception-2015-12-05@sha256-")
    assert scores["fid"]["ci_low"] is None
    assert scores["kid"]["n_scored"] == 2
    assert (result.path / "coco_t2i" / "features.inception.f32").stat().st_size == 2 * 2 * 2048 * 4
    assert verify(result.path).ok
    del weights["Mixed_7c.branch_pool.bn.bias"]
    torch.save(weights, tmp_path / "inception.pth")
    with pytest.raises(
        UsageError, match=r"Mixed_7c\.branch_pool\.bn\.bias.*--judge inception=none"
    ):
        run(limit=2)

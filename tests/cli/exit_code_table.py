"""Every command and every outcome: one line a case, `exit code  arguments`.

In braces stand the paths of `World`; `{out}` is a new folder, `@run` a run of predictions.
A new command adds its lines here; `test_every_command_is_in_the_table` fails until it has cases
with 0 and 2.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from conftest import write_jsonl
from prediction_runs import SPEECH_IDS, Runs, transcript

_RUN = "run --tasks librispeech --model predictions --data-dir {data} --out {out}"

TABLE = """
0  --help
0  --version
2
2  nothing
2  --nothing

0  run --help
0  @run --model-args path={predictions}
2  run
2  run --tasks nothing
2  run --tasks librispeech --model nothing
2  @run --model-args path={none}
2  @run --model-args path={half}
2  run --tasks librispeech --limit 0
2  run --tasks librispeech --max-failures many
2  run --resume {none}
2  @run --model-args path={predictions} --tracker nothing
4  @run --model-args path={half} --allow-partial
0  @run --model-args path={half} --allow-partial --max-failures 6

0  tasks ls
0  tasks show coco_caption
2  tasks show nothing
2  tasks show

0  models ls
0  models show starter
2  models show nothing

0  data ls
0  data show coco_caption --data-dir {data}
0  data check librispeech --data sample
2  data show nothing
2  data check librispeech --data-dir {none}
4  data check librispeech --data-dir {data}

0  metric wer --predictions {predictions} --references {references}
2  metric nothing --predictions {predictions} --references {references}
2  metric wer --predictions {none} --references {references}
2  metric wer --predictions {half} --references {references}
4  metric wer --predictions {half} --references {references} --allow-partial

0  score {copy}
0  score {copy} --set wer.norm=none
2  score {none}
2  score {copy} --set wer.norm=nothing
4  score {failed_copy}

0  verify {done}
0  verify {failed}
2  verify {none}
4  verify {changed}

0  report {done}
0  report {done} {failed} --format markdown
2  report {none}
2  report {done} --format nothing
2  report

0  leaderboard {runs} --out {out}/site --no-reports
2  leaderboard
2  leaderboard {none}

0  compare {done} {again}
0  compare {done} {worse}
0  compare {done} {other} --allow-different signature
0  compare {done} {baseline} --json -
0  compare {done} {again} --fail-on-regression
0  compare {worse} {done} --fail-on-regression
1  compare {done} {worse} --fail-on-regression
2  compare
2  compare {done}
2  compare {done} {none}
2  compare {done} {again} --tasks nothing
2  compare {done} {again} --metrics nothing
2  compare {done} {again} --alpha 2
2  compare {done} {other} --allow-different nothing
2  compare {done} published:nothing
2  compare {done} {again} --json {none}/x.json
3  compare {done} {other}
3  compare {done} {again} --metrics cider

0  gate --help
0  gate {again} --baseline {done} --policy {policy}
0  gate check {again} --baseline {baseline} --policy {policy}
0  gate {done} --baseline {aggregates} --policy {lenient}
0  gate init {done}
0  gate init {done} --out {out}/policy.yaml
0  gate baseline {done} -o {out}/b.json
1  gate {worse} --baseline {done} --policy {policy}
1  gate {partial} --baseline {done} --policy {policy}
2  gate
2  gate {done}
2  gate {none} --baseline {done} --policy {policy}
2  gate {done} --baseline {none} --policy {policy}
2  gate {done} --baseline {done} --policy {none}
2  gate {done} --baseline {done} --policy {wrong_policy}
2  gate {done} --baseline {done} --policy {policy} --allow-different nothing
2  gate {done} --baseline {done} --policy {policy} --junit {none}/x.xml
2  gate init {none}
2  gate init {done} --out {policy}
2  gate baseline {failed} -o {out}/b.json
3  gate {unsure} --baseline {done} --policy {policy}
3  gate {other} --baseline {done} --policy {policy}
3  gate {done} --baseline {failed} --policy {policy}
4  gate {failed} --baseline {done} --policy {policy}

0  power {worse} --task librispeech --metric wer --difference 1
0  power {worse} --task librispeech --metric wer --paired-with {done} --json -
2  power {done}
2  power {none} --task librispeech --metric wer
2  power {done} --task nothing --metric wer
2  power {done} --task librispeech --metric nothing
2  power {done} --task librispeech --metric wer --difference nothing
3  power {done} --task librispeech --metric wer --paired-with {other}

0  export {done} --to csv --out {out}
0  export {failed} --to junit --out {out}
2  export
2  export {done}
2  export {done} --to nothing
2  export {none} --to csv
2  export {done} --to csv --set nothing=1
2  export {done} --to csv --out {policy}
4  export {failed} --to hf --out {out}

0  import {lm_eval} --from lm-eval --out {out}/b.json
2  import
2  import {lm_eval} --from nothing --out {out}/b.json
2  import {none} --from lm-eval --out {out}/b.json
2  import {done} --from lm-eval --out {out}/b.json
2  import {lm_eval} --from lm-eval --out {none}/b.json
2  import {lm_eval} --from lm-eval --out {out}/b.json --scale wer=many
3  compare {done} {imported}
0  compare {done} {imported} --allow-different *
3  gate {done} --baseline {imported} --policy {policy}

0  doctor
2  doctor --nothing
"""


def cases() -> list[tuple[int, str]]:
    """Return (exit code, arguments) of every line."""
    lines = [line.replace("@run", _RUN) for line in TABLE.splitlines() if line]
    return [(int(line[0]), line[1:].strip()) for line in lines]


@dataclass(frozen=True)
class World:
    """The files that the table names."""

    paths: dict[str, Path]


def make_world(folder: Path) -> World:
    """Make runs of every kind, and the files beside them."""
    runs = Runs(folder)
    right = {name: transcript(i) for i, name in enumerate(SPEECH_IDS)}
    # Runs in which all samples score alike have no spread to test with.
    slip = {SPEECH_IDS[-1]: "no"}
    bad = {name: "nothing " * (1 + i % 3) for i, name in enumerate(SPEECH_IDS)}
    paths = {
        "data": runs.data,
        "runs": folder / "runs",
        "none": folder / "none",
        "done": runs(change=slip, name="done"),
        "again": runs(change=slip, name="again", seed=1),
        "worse": runs(change=bad, name="worse"),
        "unsure": runs(change=slip | dict.fromkeys(SPEECH_IDS[:2], "no"), name="unsure"),
        "other": runs(name="other", metric_settings=("wer.norm=none",)),
        "partial": runs(name="partial", drop=3),
        "failed": runs(name="failed", drop=3, max_failures="0"),
    }
    # Three speakers cannot show a significant difference; twelve samples by themselves can.
    for name in ("done", "again", "worse", "other"):
        _uncluster(paths[name])
    for name, source in (("copy", "done"), ("failed_copy", "failed"), ("changed", "again")):
        paths[name] = folder / name
        shutil.copytree(paths[source], paths[name])
    (paths["changed"] / "librispeech" / "samples.jsonl").write_text("")
    lines = [{"id": name, "text": text} for name, text in right.items()]
    paths["predictions"] = write_jsonl(folder / "predictions.jsonl", lines)
    paths["half"] = write_jsonl(folder / "half.jsonl", lines[:6])
    paths["references"] = write_jsonl(
        folder / "references.jsonl", [{"id": n, "references": [t]} for n, t in right.items()]
    )
    rule = {"task": "librispeech", "metric": "wer", "margin": 5}
    for name, rules in (
        ("policy", [rule]),
        ("lenient", [rule | {"margin": 1000}]),
        ("wrong_policy", [rule | {"tear": 1}]),
    ):
        paths[name] = folder / f"{name}.yaml"  # JSON is YAML
        paths[name].write_text(json.dumps({"version": 1, "resamples": 500, "rules": rules}))
    return World(paths)


def _uncluster(run: Path) -> None:
    """Make every sample a cluster of its own, and score the run again."""
    from mio_eval import score

    path = run / "librispeech" / "samples.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    write_jsonl(path, [record | {"cluster": record["id"]} for record in records])
    score(run)


def add_baselines(world: World) -> None:
    """Write baseline files of the good run."""
    from mio_eval.comparison.baseline import write_baseline
    from mio_eval.export import export_run
    from mio_eval.importers import import_results

    folder = world.paths["none"].parent
    for name, small in (("baseline", False), ("aggregates", True)):
        world.paths[name] = write_baseline(
            world.paths["done"], folder / f"{name}.json", aggregates=small
        )
    world.paths["lm_eval"] = folder / "lm_eval"
    export_run(world.paths["done"], "lm-eval", world.paths["lm_eval"])
    world.paths["imported"] = import_results(
        world.paths["lm_eval"],
        "lm-eval",
        folder / "imported.json",
        metrics={"wer": "wer"},
        scales={"wer": 1.0},
    ).path

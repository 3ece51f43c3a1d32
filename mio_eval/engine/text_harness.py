"""Runs multiple-choice text tasks through lm-eval, with one of our backends as its model.

lm-eval builds the prompts, asks for log-likelihoods and chooses the option. What it found is
journalled document by document, so that scores, intervals and `verify` are those of any task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.lm_eval_tasks import Document, Spec, documents, load_tasks, mmlu, mmlu_file
from ..data.sources import SAMPLE_SPLIT
from ..errors import MioEvalError, RunError
from ..jsonio import digest
from ..models.base import Backend, describe
from ..models.loglikelihood import need_loglikelihood
from ..types import Json
from .cache import ResponseCache
from .generate import Generation
from .journal import Journal, repair_journal
from .plan import TaskPlan
from .progress import Progress, Silent
from .records import blank, fail
from .requests import sample_content
from .rundir import SAMPLES

if TYPE_CHECKING:
    from ..models.lm_eval_model import Answer

AT_ONCE = 64  # requests handed to a model that batches them by itself


def run_text_task(
    plan: TaskPlan,
    backend: Backend,
    cache: ResponseCache | None,
    folder: Path,
    progress: Progress | None = None,
    timeout: float | None = None,
    batch_size: object = None,
) -> Generation:
    """Run the generate stage of a task whose reader is `lm_eval`.

    A `batch_size` that is a number is how many options the model gets at once.
    """
    return run_lm_eval_task(
        backend,
        spec_of(plan),
        limit=plan.limit,
        seed=plan.seed,
        cache=cache,
        folder=folder,
        batch_size=batch_size if isinstance(batch_size, int) else AT_ONCE,
        progress=progress,
        timeout=timeout,
    )


def spec_of(plan: TaskPlan) -> Spec:
    """Return the lm-eval configuration for a plan's data."""
    source, task = plan.source, plan.task
    if source.mode == "hub":
        assert task.file.dataset.hub is not None
        return mmlu(f"hf://datasets/{source.place}/{task.file.dataset.hub.files[task.split]}")
    split = task.split
    if source.mode == "sample":
        split = SAMPLE_SPLIT.get(task.file.dataset.folder, task.file.dataset.default_split)
    return mmlu(mmlu_file(Path(source.place), split))


def run_lm_eval_task(
    backend: Backend,
    spec: Spec,
    *,
    limit: int | None,
    seed: int,
    cache: ResponseCache | None,
    folder: Path,
    include_path: Path | None = None,
    batch_size: int = AT_ONCE,
    progress: Progress | None = None,
    timeout: float | None = None,
) -> Generation:
    """Answer every document that the journal in `folder` does not hold yet.

    Args:
        backend: a model with `loglikelihood`.
        spec: the task; of a group, every subtask is run.
        limit: how many documents, in the data's order over all subtasks.
        seed: for what lm-eval samples; zero-shot tasks sample nothing.
        cache: where finished answers are found again.
        folder: where samples.jsonl is.
        include_path: a folder of lm-eval task files; lm-eval's own are then not searched.
        batch_size: requests (one an option) handed to the model at once.
        progress: told of every finished document.
        timeout: seconds without any answer after which those asked for have failed.

    Raises UsageError when the model or the task cannot be used so, RunError when the data changed.
    """
    name = spec if isinstance(spec, str) else str(spec["task"])
    need_loglikelihood(backend, name)
    tasks = load_tasks(spec, include_path)
    for task in tasks.values():
        task.set_fewshot_seed(seed)
    shown = progress or Silent()
    path = folder / SAMPLES
    finished = repair_journal(path)
    chosen = list(islice(documents(tasks), limit))
    counts = Generation(expected=len(chosen), kept=len(finished))
    shown.start("generate", name, len(chosen), len(finished))
    open_documents = [d for d in chosen if not _kept(d, finished, folder)]
    if finished:
        raise _data_changed(folder, f"sample {next(iter(finished))!r} is no longer there")
    with Journal(path) as journal:
        writer = _Writer(tasks, journal, shown, counts)
        for document in open_documents:
            if document.failure is not None:
                writer.record(fail(blank(document.sample), document.failure))
            else:
                writer.waiting.setdefault(document.task, []).append(document)
        if writer.waiting:
            from ..models.lm_eval_model import BackendLM

            model = BackendLM(
                backend,
                cache,
                seed=seed,
                batch_size=batch_size,
                timeout=timeout,
                answered=writer.answered,
            )
            _evaluate(model, tasks, writer)
    shown.finish()
    return counts


def _kept(document: Document, finished: dict[str, Json], folder: Path) -> bool:
    """Tell whether the journal holds a document. Refuses to mix answers to changed data."""
    if document.sample.id not in finished:
        return False
    if finished.pop(document.sample.id) != sample_content(document.sample):
        raise _data_changed(folder, f"sample {document.sample.id!r} differs")
    return True


def _data_changed(folder: Path, what: str) -> RunError:
    return RunError(
        f"the data of {folder.name} changed since {folder.parent} was started: {what}. Put the "
        "data back, or move that folder away and run again (what is unchanged comes from the cache)"
    )


def _evaluate(model: Any, tasks: Mapping[str, Any], writer: _Writer) -> None:
    from lm_eval.evaluator import evaluate

    # lm-eval takes an empty list for "all documents": tasks with nothing to do are left out.
    samples = {name: [d.number for d in waiting] for name, waiting in writer.waiting.items()}
    with _no_bars(), _templates_kept():
        evaluate(
            model,
            {"tasks": {name: tasks[name] for name in samples}, "groups": {}},
            samples=samples,
            bootstrap_iters=0,
            log_samples=True,
        )


@dataclass(slots=True)
class _Writer:
    """Journals a document as soon as all its options are answered."""

    tasks: Mapping[str, Any]
    journal: Journal
    progress: Progress
    counts: Generation
    waiting: dict[str, list[Document]] = field(default_factory=dict)
    """Task → documents to ask, in the data's order, which is how lm-eval numbers them."""
    _answers: list[Answer] = field(default_factory=list)

    def answered(self, answer: Answer) -> None:
        """Take the next answer; lm-eval asks for a document's options one after the other."""
        self._answers.append(answer)
        task = self.tasks[answer.instance.task_name]
        if len(self._answers) == len(task.doc_to_choice(answer.instance.doc)):
            answers, self._answers = self._answers, []
            self.record(self._row(task, answers))

    def record(self, row: Json) -> None:
        """Journal a document."""
        self.journal.append(row)
        failed = row["status"] != "ok"
        cached = bool(row["timing"].get("cached"))
        self.counts.failed += failed
        self.counts.cached += cached
        self.progress.advance(failed=failed, cached=cached)

    def _row(self, task: Any, answers: Sequence[Answer]) -> Json:
        instance = answers[0].instance
        sample = self.waiting[instance.task_name][instance.doc_id].sample
        row = blank(sample)
        row["content"] = sample_content(sample)
        row["key"] = digest([answer.key for answer in answers])
        row["prompt"] = [{"text": instance.args[0]}]
        row["timing"] = {"seconds": None, "cached": all(answer.cached for answer in answers)}
        responses = [answer.response for answer in answers]
        failure = next((r.failure for r in responses if r.failure is not None), None)
        if failure is not None:
            return fail(row, failure)
        sums = [response.logprob for response in responses]
        greedy = [response.greedy for response in responses]
        try:
            verdict = task.process_results(instance.doc, list(zip(sums, greedy, strict=True)))
            # Of equals the first counts, as in lm-eval.
            chosen = task.doc_to_choice(instance.doc)[sums.index(max(sums))]
        except MioEvalError:
            raise
        # The per-sample boundary: a task's own code may raise anything.
        except Exception as error:
            return fail(row, describe(error))
        row["meta"]["loglikelihood"] = {"sum": sums, "greedy": greedy}
        row["meta"]["acc"] = int(verdict["acc"])
        row.update(status="ok", output={"text": chosen})
        return row


@contextmanager
def _templates_kept() -> Iterator[None]:
    """Compile a prompt template once, not once a document, which takes lm-eval most of its time."""
    from lm_eval.utils import env

    env.from_string = lru_cache(maxsize=64)(env.from_string)
    try:
        yield
    finally:
        del env.from_string  # the class's own shows again


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep lm-eval's own progress bars off the screen; ours is there."""
    from lm_eval.api import task as module

    bars = module.tqdm
    module.tqdm = lambda documents, **_: documents
    try:
        yield
    finally:
        module.tqdm = bars

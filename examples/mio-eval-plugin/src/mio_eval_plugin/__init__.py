"""An example of a package that adds a model, a task and a metric to mio-eval."""

from pathlib import Path


def task_folder() -> Path:
    """Return the folder of this package's task files."""
    return Path(__file__).parent / "tasks"

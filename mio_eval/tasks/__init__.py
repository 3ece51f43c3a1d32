"""Tasks: what is asked of a model, on which data, and how it is scored."""

from .prompts import POSITIONS, move_media, render
from .registry import Task, all_tasks, get_task, get_tasks, task_groups
from .schema import PLAIN, TaskFile

__all__ = [
    "PLAIN",
    "POSITIONS",
    "Task",
    "TaskFile",
    "all_tasks",
    "get_task",
    "get_tasks",
    "move_media",
    "render",
    "task_groups",
]

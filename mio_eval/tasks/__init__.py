"""Tasks: what is asked of a model, on which data, and how it is scored."""

from .prompts import render
from .registry import Task, all_tasks, get_task, get_tasks, task_groups
from .schema import PLAIN, TaskFile

__all__ = [
    "PLAIN",
    "Task",
    "TaskFile",
    "all_tasks",
    "get_task",
    "get_tasks",
    "render",
    "task_groups",
]

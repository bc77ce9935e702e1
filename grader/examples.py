"""The small model of a report's example, to step through it in a debugger: the lines `reproduce` of a report use it."""

from types import ModuleType
from typing import Any

import torch

from grader.grading.session import standin_sources
from grader.judge.example import example_input, example_model
from grader.worker.submission import LoadedSubmission, build_known, standin_from_source

__all__ = ["example_input", "small_model"]


def small_model(module: ModuleType, task: str) -> Any:
    """Return a VAE of a module, in eval mode, as the grader builds it to check a task.

    Encoder, heads and decoder are small linear maps, and right ones replace the methods of other tasks.

    Args:
        module: The module with the classes, such as `assignment.VAE_Model`.
        task: Task id.
    """
    standins = {name: standin_from_source(name, source) for name, source in standin_sources(task).items()}
    known = example_model(task)
    submission = LoadedSubmission(module, standins)
    return build_known(submission, known.sizes, known.as_dtype(torch.float32), torch.float32).eval()

"""`python -m tests.count_workers grader/ ...`: pytest, and a line for each worker that was started, with its task."""

import sys
from typing import Any

import pytest

from grader.grading.session import Session


def main(arguments: list[str]) -> int:
    """Run pytest; return its exit status."""
    started: list[str] = []
    start_worker = Session.start_worker

    def counting(session: Session, task: str) -> Any:
        started.append(task)
        return start_worker(session, task)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Session, "start_worker", counting)
        status = int(pytest.main(arguments))
    print(*(f"worker: {task}" for task in started), sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

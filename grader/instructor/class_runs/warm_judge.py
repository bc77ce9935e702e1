"""The warm judge of a class run: the zygotes of its gradings are forked from a parent zygote where possible.

`python -m grader.instructor.class_runs.warm_judge DATA` does what `grader.grading.warm` does. Its jobs must come one
after the other, since a parent has one zygote at a time.
"""

import contextlib
from dataclasses import replace
from typing import IO

from grader.grading.jobs import Job, Outcome
from grader.grading.warm import Forking, Running, main
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.parent_zygote import ParentLost

from .parents import Parents


class ForkingFromParent(Forking):
    """Runs the collected checks in child processes, and keeps a parent zygote for their sandboxes."""

    def __init__(self, requests: int, answers: IO[bytes], ahead: bool = False):
        super().__init__(requests, answers, ahead)
        self._parents = Parents()

    def _fork(self, template: Job, job: Job | None) -> None:
        forks = template.sandbox == Bubblewrap.name and not template.fresh_sandbox
        self._parent = self._parents.next() if forks else None
        super()._fork(template, job)

    def _spared(self) -> set[int]:
        parent = self._parents.process_id
        return super()._spared() | ({parent} if parent else set())

    def _finish(self, child: Running, in_time: bool) -> Outcome | None:
        """End a child, its zygote and all processes that it left; return its outcome, or None if there is none.

        If the parent zygote died, no task may lose points for it: the submission is graded again without one.
        """
        answer = super()._finish(child, in_time)
        try:
            forked_s = self._parents.end_zygote()
        except ParentLost:
            if in_time and child.job:
                with contextlib.suppress(OSError):  # too many processes: the answer is what it is
                    again = replace(child.job, fresh_sandbox=True)
                    self._fork(again, again)
                    return None
            return answer
        if answer is None:
            return None
        return replace(answer, cpu_s=answer.cpu_s + forked_s, sandbox_cpu_s=answer.sandbox_cpu_s + forked_s)

    def _end_all(self) -> None:
        for child in list(self._running):
            self._finish(child, in_time=False)
        self._parents.close()
        super()._end_all()


if __name__ == "__main__":
    main(ForkingFromParent)

"""The kill matrix: which tasks each wrong submission costs, and what the report calls it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.judge.offering import OFFERING, TASKS, load_offering
from tests.zoo.build import source
from tests.zoo.entry import Wrong
from tests.zoo.grade import WITHOUT_TRAINING, Graded, Job, grade


@dataclass(frozen=True)
class Row:
    """One wrong submission and the verdict on it."""

    wrong: Wrong
    graded: Graded

    @property
    def missed(self) -> frozenset[str]:
        """Tasks that were judged, had to lose points and did not."""
        return (self.wrong.must_fall & self.graded.lost.keys()) - self.graded.fell

    @property
    def unfair(self) -> frozenset[str]:
        """Tasks that lost points and had to keep them; training may go either way."""
        return self.graded.fell - self.wrong.must_fall - {"training"}

    @property
    def named(self) -> frozenset[str]:
        """The misconceptions that the report names, in the wrong task itself."""
        return frozenset(self.graded.diagnoses.get(self.wrong.task, ()))

    @property
    def misleading(self) -> frozenset[str]:
        """Misconceptions that the report names, and that it is not."""
        return self.named - {self.wrong.diagnosis, *self.wrong.also}

    @property
    def undiagnosed(self) -> bool:
        """Whether the catalogue has a name for it which the report does not give."""
        judged = self.wrong.task in self.graded.lost
        memories = [name for name in self.wrong.also if name.startswith("memory_")]
        return judged and bool(self.wrong.diagnosis) and not self.named & {self.wrong.diagnosis, *memories}

    @property
    def by_value(self) -> bool:
        """Whether its task fails by value: see Graded."""
        return self.wrong.task in self.graded.by_value

    @property
    def explained(self) -> bool:
        """Whether the report of its task names a misconception, or shows the formula."""
        return bool(self.named) or self.wrong.task in self.graded.computes

    @property
    def other_formula(self) -> str:
        """A formula that the report shows, and that is not the submission's own."""
        found = self.graded.computes.get(self.wrong.task, "")
        own = self.wrong.computes and found.startswith(self.wrong.computes)
        return "" if own or (found and self.wrong.diagnosis) else found or (self.wrong.computes and "none")

    @property
    def as_expected(self) -> bool:
        """Whether nothing is to be said against the verdict."""
        return not (self.missed or self.unfair or self.misleading or self.undiagnosed or self.other_formula)

    def line(self) -> str:
        """Return the row of the table: points lost by task, then what is wrong with the verdict."""
        lost = self.graded.lost
        cells = "".join(
            f"{lost[t.id]:>6.4g}" if lost.get(t.id) else f"{'.' if t.id in lost else ' ':>6}" for t in TASKS
        )
        parts = {"missed": self.missed, "unfair": self.unfair, "misleading": self.misleading}
        notes = [f"{what}: {', '.join(sorted(ids))}" for what, ids in parts.items() if ids]
        notes += [f"undiagnosed: {self.wrong.diagnosis}"] if self.undiagnosed else []
        notes += [f"formula: {self.other_formula}"] if self.other_formula else []
        return f"{self.wrong.title:<62.62}{cells}  {'; '.join(notes) or ', '.join(sorted(self.named))}"


def rows(
    wrong: Sequence[Wrong],
    tasks: str = WITHOUT_TRAINING,
    own_only: bool = False,
    fork: bool = True,
    offering: Path | None = None,
) -> Iterable[Row]:
    """Grade wrong submissions and yield a row for each, as they come.

    Args:
        wrong: What to grade.
        tasks: What pytest's -m takes; training is always judged where it must fall.
        own_only: Whether to judge only the tasks that must fall; all, if the offering grades none of these.
        fork: Whether workers are forked; if not, two more tasks are judged, so that each interpreter serves several.
        offering: File with tasks and points; None for the grader's own.
    """
    chosen, graded_ids = (
        offering.read_text(encoding="utf-8") if offering else "",
        load_offering(offering or OFFERING).graded,
    )
    selected = {w.title: _selection(w, tasks, own_only, fork, graded_ids) for w in wrong}
    jobs = [Job(w.title, source(w), selected[w.title], offering=chosen, fork=fork) for w in wrong]
    by_title = {w.title: w for w in wrong}
    for graded in grade(jobs):
        yield Row(by_title[graded.name], graded)


def _selection(wrong: Wrong, tasks: str, own_only: bool, fork: bool, graded: Sequence[str]) -> str:
    if own_only and (own := wrong.must_fall & {*graded}):
        return " or ".join(sorted(own | (set() if fork else {"sample", "mode"})))
    return "" if "training" in wrong.must_fall else tasks


def header() -> str:
    """Return the heads of the columns: task ids, cut to five letters."""
    return f"{'points lost':<62}" + "".join(f"{task.id[:5]:>6}" for task in TASKS)


def summary(table: Sequence[Row]) -> str:
    """Return the counts: kills, fairness, diagnoses."""
    with_name = [row for row in table if row.wrong.diagnosis]
    by_value = [row for row in table if row.by_value]
    return "\n".join(
        [
            f"killed       {sum(not row.missed for row in table)} of {len(table)}",
            f"fair         {sum(not row.unfair for row in table)} of {len(table)} cost no other task but training",
            f"diagnosed    {sum(not row.undiagnosed for row in with_name)} of {len(with_name)} that have a name",
            f"explained    {sum(row.explained for row in by_value)} of {len(by_value)} that fail by value",
            f"misleading   {sum(bool(row.misleading) for row in table)}",
        ]
    )

"""What an instructor should look at before anything is uploaded, a line for each kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from grader.report.gradebooks.grade import two_decimals
from grader.report.gradebooks.roster import Person
from grader.report.text import harmless

from .attempts import Decided
from .match import Matched


@dataclass
class Findings:
    """Lines about what needs a look; none if all is well. Names in them are harmless to a terminal.

    Attributes:
        of_roster: What the roster is called; empty without one.
        lines: So far.
    """

    of_roster: str = ""
    lines: list[str] = field(default_factory=list)

    def matching(self, matched: Matched, lacking: Sequence[Person]) -> None:
        """Say who of the class run and of the roster found no partner."""
        if lacking and not matched.of and matched.strangers:
            theirs, ours = next((own for one in lacking for own in one.ids), "nothing"), matched.strangers[0].student.id
            self.lines.append(
                f"nobody of {self.of_roster} is in the class run: ids like {harmless(theirs)} there, like "
                f"{harmless(ours)} here; give the class run a --roster that says which is which"
            )
        strangers = [claim.called() for claim in matched.strangers]
        ambiguous = [claim.called() for claim in matched.ambiguous]
        by_name = [claim.called() for claim in matched.by_name]
        self._say(f"in the class run, but not in {self.of_roster}", strangers)
        self._say(f"several lines of {self.of_roster} fit, so none was taken", ambiguous)
        self._say(f"in {self.of_roster}, but without a submission", [person.called() for person in lacking])
        self._say("matched by the full name alone; the grading worksheet has numbers", by_name)

    def decisions(self, decided: Sequence[tuple[str, Decided]]) -> None:
        """Say whose grade is missing, or not as sure as it looks."""
        pending = [f"{name}: {one.attempt.record.status}" for name, one in decided if one.grade is None]
        self._say("without a verdict, so without a grade; run the class run again", pending)
        self._say(
            "several attempts, and nothing tells their order but their names; give `submitted` in a roster",
            [name for name, one in decided if not one.ordered],
        )
        timeless = [
            f"{name}{' (LATE, says Canvas)' if one.attempt.handed_in.marked_late else ''}"
            for name, one in decided
            if one.grade and one.grade.earned and one.grade.due and not one.grade.submitted
        ]
        self._say("no penalty, as nothing tells when they handed in; give `submitted` in a roster", timeless)

    def times_of_moodle(self, decided: Sequence[tuple[Person, Decided]], zoned: bool) -> None:
        """Say whose time of submission stands in Moodle's worksheet and could not be used, and why."""
        unused = [
            person
            for person, one in decided
            if person.submitted and one.grade and one.grade.due and not one.grade.submitted
        ]
        if unused and not zoned:
            example = f"`{harmless(unused[0].submitted)}`"
            self.lines.append(
                f"times like {example} in {self.of_roster} count with their zone: --timezone Europe/Berlin"
            )
        elif unused:
            what = "their times cannot be read; download the worksheet with Moodle in English, or give `submitted`"
            self._say(what, [f"{person.called()}: {person.submitted}" for person in unused])

    def points(self, possible: str, max_points: int) -> None:
        """Say if the system has other points possible than were graded."""
        try:
            same = Decimal(possible.replace(",", ".")) * 100 == max_points
        except InvalidOperation:  # nothing, or words
            return
        if not same:
            graded = two_decimals(max_points)
            self.lines.append(
                f"{self.of_roster} has {possible} points possible, the class run {graded}: change one of them"
            )

    def excused(self, names: Sequence[str]) -> None:
        """Say who keeps no points because of being excused."""
        self._say("excused, and stay so, although they have a submission", names)

    def unreturned(self, nameless: Sequence[str]) -> None:
        """Say whose report has no place in the zip."""
        self._say("not in the zip, as nothing tells what the system calls their files", nameless)

    def _say(self, what: str, names: Sequence[str]) -> None:
        if names:
            shown = "; ".join(harmless(" ".join(name.split())) for name in names)
            self.lines.append(f"{what} ({len(names)}): {shown}")

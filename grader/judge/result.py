"""The result model, from which all reports, files and tables are made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["passed", "failed", "not attempted", "crashed", "timed out", "out of memory", "not judged"]
Kind = Literal["shape", "value", "gradient", "statistics"]
Hints = Literal["full", "short", "none"]
_LABEL = 10  # width of the column of labels


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a student reads about one check, by field; each report chooses its own layout.

    Attributes:
        expected: What the check demands.
        got: What the submission returned or did instead.
        deviation: The largest deviation and its position.
        computes: The formula that the submission's numbers follow.
        smallest: The smallest input for which it is wrong, the submission's answer and the right one.
        hint: What to look at, without the answer.
        note: A remark that does not change the points.
        printed: What the submission printed during the check.
        reproduce: Lines of Python that show the wrong answer outside the grader.
        message: The whole text if nothing was compared, as for a TODO that is left or a check that was not judged.
        diagnosis: Id of the misconception that matched, if any.
    """

    expected: str = ""
    got: str = ""
    deviation: str = ""
    computes: str = ""
    smallest: str = ""
    hint: str = ""
    note: str = ""
    printed: str = ""
    reproduce: str = ""
    message: str = ""
    diagnosis: str | None = None

    def parts(self) -> tuple[tuple[str, str], ...]:
        """Return the fields that are not empty as (label, text), in the order of a report."""
        labels = ("message", "expected", "got", "deviation", "computes", "smallest", "hint", "note", "printed")
        return tuple(("" if label == "message" else label, text) for label in labels if (text := getattr(self, label)))

    def text(self) -> str:
        """Return the parts as lines of "label  text"."""
        lines = []
        for label, text in self.parts():
            first, *more = text.split("\n")
            lines += [f"{label:<{_LABEL}}{first}" if label else first, *(f"{'':<{_LABEL}}{line}" for line in more)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Noise that a submission used, to be shown beside the standard normal density.

    Attributes:
        counts: How many numbers are in each of the equal bins between -edge and edge.
        edge: Where the last bin ends.
        total: How many numbers there are, with those outside of the bins.
        distinct: How many of them differ in their first five decimals.
        mean, std: Their mean and standard deviation.
        smallest, largest: The extremes.
        within: The shares of numbers whose absolute value is at most 1, and at most 2.
    """

    counts: tuple[int, ...]
    edge: float
    total: int
    distinct: int
    mean: float
    std: float
    smallest: float
    largest: float
    within: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Numbers of a submission beside the expected ones.

    Attributes:
        points: Three bytes for each number that is shown: the expected number and the submission's, as positions from 0
            to 255 in their ranges; and 1 if it is wrong, else 0.
        expected, got: The two ranges, (lowest, highest).
        total, wrong: How many numbers there are, and how many of them are wrong, with those that are not shown.
        unseen: How many are not shown because they are nan, infinite or huge.
        line: Slope, offset and correlation of the straight line that fits best, got = slope expected + offset.
        pairs: A few exact pairs (expected, got), from the smallest to the largest expected number.
    """

    points: bytes
    expected: tuple[float, float]
    got: tuple[float, float]
    total: int
    wrong: int
    unseen: int
    line: tuple[float, float, float]
    pairs: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """Images of a path that a submission returned, above the expected ones.

    Attributes:
        image: A PNG image of two rows.
        shown: Positions in the path of the images that are shown.
        total: How many images the path has.
        off: The distance of each from the expected image (root mean square).
        nearest: Position of the expected image that each is closest to.
        nearest_off: Its distance from that one.
    """

    image: bytes
    shown: tuple[int, ...]
    total: int
    off: tuple[float, ...]
    nearest: tuple[int, ...]
    nearest_off: tuple[float, ...]


Picture = Histogram | Scatter | Strip
Draws = Callable[[], Picture | None]
"""Makes the picture of a failed check when a page or a file needs it; None if there is nothing to see."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one task. Scores are in hundredths of a point, so that sums are exact.

    Attributes:
        task: Task id.
        name: Name of the check's function.
        title: What it demands, as the student reads it.
        kind: What it tests; decides whether it earns points when the value is wrong.
        score, max_score: Hundredths of points.
        status: How it ended; `not judged` if the run was stopped before.
        explanation: What the student reads; for a passed check, a note at most.
        picture: What a page shows of a failed check; None if no file is written.
    """

    task: str
    name: str
    title: str
    kind: Kind
    score: int
    max_score: int
    status: Status
    explanation: Explanation = Explanation()
    picture: Picture | None = None

    @property
    def output(self) -> str:
        """The explanation as text."""
        return self.explanation.text()

    @property
    def diagnosis(self) -> str | None:
        """Id of the misconception that matched, if any."""
        return self.explanation.diagnosis


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task: the sum of its checks.

    Attributes:
        id: Task id.
        checks: The selected checks.
        left_out: Hundredths of points of the checks that were not selected.
    """

    id: str
    checks: tuple[CheckResult, ...]
    left_out: int = 0

    @property
    def score(self) -> int:
        """Hundredths of points earned."""
        return sum(check.score for check in self.checks)

    @property
    def max_score(self) -> int:
        """Hundredths of points to earn."""
        return sum(check.max_score for check in self.checks)

    @property
    def judged(self) -> int:
        """Hundredths of points of the checks that have a verdict."""
        return sum(check.max_score for check in self.checks if check.status != "not judged")

    @property
    def worth(self) -> int:
        """Hundredths of points of the whole task."""
        return self.max_score + self.left_out

    @property
    def status(self) -> Status:
        """`passed`, or the status of the first check that did not pass."""
        return next((check.status for check in self.checks if check.status != "passed"), "passed")

    @property
    def diagnoses(self) -> list[str]:
        """Ids of the misconceptions found, without repetition."""
        return list(dict.fromkeys(check.diagnosis for check in self.checks if check.diagnosis))


@dataclass(frozen=True)
class TrainingPictures:
    """What a page shows of the short training run.

    Attributes:
        steps: The steps whose losses are shown.
        losses: Their losses, in nats per image.
        constant_mean, ppca: The anchors: the loss of one constant image, and of probabilistic PCA.
        pairs: A PNG image: held-out images, and their reconstructions below them; empty if there are none.
    """

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    constant_mean: float
    ppca: float
    pairs: bytes = b""


@dataclass(frozen=True)
class Result:
    """One graded submission.

    Attributes:
        submission: Path as the user gave it.
        tasks: The selected tasks, in the order of the handout.
        seconds: Wall time.
        sandbox: `bubblewrap`, `user`, `process` or `in-process`.
        seed: Random seed of all inputs.
        environment: Versions and threads.
        training: Pictures of the training run; None if there was none.
    """

    submission: str
    tasks: tuple[TaskResult, ...]
    seconds: float
    sandbox: str
    seed: int
    environment: dict[str, Any] = field(default_factory=dict)
    training: TrainingPictures | None = None

    @property
    def score(self) -> int:
        """Hundredths of points earned."""
        return sum(task.score for task in self.tasks)

    @property
    def max_score(self) -> int:
        """Hundredths of points to earn."""
        return sum(task.max_score for task in self.tasks)

    @property
    def judged(self) -> int:
        """Hundredths of points of the checks that have a verdict."""
        return sum(task.judged for task in self.tasks)

    @property
    def worth(self) -> int:
        """Hundredths of points of the tasks, with the checks that were left out."""
        return sum(task.worth for task in self.tasks)

    @property
    def unfinished(self) -> bool:
        """Whether a check that was selected has no verdict."""
        return self.judged < self.max_score

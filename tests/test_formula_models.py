"""What a report says of a wrong method of the model: each formula is that of the file, named in the zoo by its code."""

import pytest

from grader.test_kl import NEVER_NEGATIVE
from tests.zoo.build import source
from tests.zoo.grade import Graded, Job, grade
from tests.zoo.wrong import WRONG

# Title of the zoo's entry: the line `computes` of its report.
COMPUTES = {
    "encode: heads swapped": "mean = self.logvar(h)",
    "encode: std for log-variance": "logvar = exp(self.logvar(h) / 2)",
    "encode: hidden through relu": "mean = self.mean(relu(h))",
    "encode: batch mixed in": "mean = self.mean(h - mean of h over the batch)",
    "decode: one as log-variance": "logvar = 1",
    "decode: scaled to bytes": "mean = 127.5 + 127.5 self.decoder(z)",
    "prior_sample: tanh": "image = tanh(self.decoder(noise))",
    "forward: variance for std": "the decoded code = mean + var * noise",
    "forward: the loss added up": "nll = nll of x + kl of the posterior",
    "forward: weighted, as in a beta-VAE": "kl = 4 kl of the posterior",
    "log_likelihood: no prior": "log w = log p(x|z) - log q(z|x)",
    "log_likelihood: log K twice": "log_likelihood = logsumexp(log w) - 2 log K",
    "log_likelihood: median of the weights": "log_likelihood = median(log w)",
    "log_likelihood: weights clamped": "log w = -700",
    "log_likelihood: codes from the prior": "the codes are noise",
    "interpolate: only half of the way": "w = i / (n - 1) / 2 for the codes (1 - w) z_1 + w z_2 and i = 0 to n - 1",
    "interpolate: clamped to pixels": "image = clamp(the right image, -1, 1)",
    "forward: cross-entropy for nll": "nll = sum of the cross-entropy of (x + 1) / 2 and sigmoid(reconstruction)",
    "forward: two channels encoded only": (
        "the decoded code = mean + std * noise, with the posterior of x without channel 2"
    ),
    "log_likelihood: dimension found by its size": (
        "the right log_likelihood for B = 4 and K = 3, wrong for B = 3 and K = 3"
    ),
}
# Mistakes that no formula describes: a line would say something that the file does not do.
SILENT = (
    "encode: log-variance clamped",
    "decode: clamped far out",
    "log_likelihood: an epsilon in the logarithm",
)


@pytest.fixture(scope="module")
def graded() -> dict[str, Graded]:
    """The verdicts on all of these entries, graded once, with another seed than the zoo's own runs."""
    chosen = [entry for entry in WRONG if entry.title in (*COMPUTES, *SILENT)]
    assert len(chosen) == len(COMPUTES) + len(SILENT)
    return {each.name: each for each in grade([Job(e.title, source(e), e.task, seed=11) for e in chosen])}


def lines(graded: Graded, label: str) -> set[str]:
    """The texts of a report that have this label."""
    every = (line for text in graded.output.values() for line in text.splitlines())
    return {line.partition(label)[2].strip() for line in every if line.startswith(f"{label} ")}


@pytest.mark.parametrize("title", COMPUTES)
def test_the_formula_is_that_of_the_file(graded: dict[str, Graded], title: str) -> None:
    assert lines(graded[title], "computes") == {COMPUTES[title]}


@pytest.mark.parametrize("title", SILENT)
def test_what_is_no_formula_has_none_but_a_hint(graded: dict[str, Graded], title: str) -> None:
    assert (lines(graded[title], "computes"), len(lines(graded[title], "hint")) > 0) == (set(), True)


def test_an_impossible_number_is_said_first(graded: dict[str, Graded]) -> None:
    (minus,) = grade([Job("minus", source(next(w for w in WRONG if w.title == "kl: negated")), "kl")])
    assert any(NEVER_NEGATIVE.why in line and " 6 of 6 " in line for line in lines(minus, "got"))

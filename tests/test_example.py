"""The lines `reproduce` of a report show the wrong answer: they are run on the file that they came from."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch

from grader.judge.example import example_of_distribution, example_of_model
from grader.judge.inputs import Draw
from tests.gradings import ROOT
from tests.zoo.build import reference, source
from tests.zoo.entry import Wrong
from tests.zoo.grade import Job, grade
from tests.zoo.wrong import WRONG

# Runs each file's lines as the file assignment/VAE_Model.py, in one process, and prints what they print.
DRIVER = """
import contextlib, io, json, sys, types
import assignment
for text, lines in json.load(sys.stdin):
    module = types.ModuleType("assignment.VAE_Model")
    sys.modules["assignment.VAE_Model"] = assignment.VAE_Model = module
    exec(compile(text, "VAE_Model.py", "exec"), module.__dict__)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(lines, {})
    print(json.dumps(printed.getvalue()))
"""


def outputs(cases: Sequence[tuple[str, str]]) -> list[str]:
    """What the lines of each case print for its file."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def numbers(text: str) -> torch.Tensor:
    """The numbers of a list or a printed tensor, without its dtype and gradient."""
    values = text.partition(", grad_fn")[0].partition(", dtype")[0]
    found = re.findall(r"-?(?:\d+\.\d*(?:e[+-]?\d+)?|\d+|nan|inf)", values)
    return torch.tensor([float(each) for each in found])


def wrong_outputs(entries: Sequence[Wrong]) -> tuple[int, dict[str, str]]:
    """The number of entries whose report has lines to reproduce it, and those whose lines show nothing wrong.

    Lines show what is wrong if they print for the entry what they do not print for the reference, which prints what is
    expected.
    """
    jobs = [Job(entry.title, source(entry), entry.task) for entry in entries]
    texts = {job.name: job.source for job in jobs}
    cases = [(graded.name, lines) for graded in grade(jobs) if (lines := graded.reproduce)]
    printed = outputs([(texts[name], lines) for name, lines in cases])
    right = outputs([(reference(), lines) for _, lines in cases])
    bad = {}
    for (name, lines), text, of_reference in zip(cases, printed, right, strict=True):
        expected = numbers(lines.rpartition("# expected: ")[2])
        if text == of_reference or not torch.allclose(numbers(of_reference), expected, rtol=1e-3, atol=1e-4):
            bad[name] = f"{lines}\n{text}"
    return len(cases), bad


OF_A_FORMULA = [w for w in WRONG if w.diagnosis and w.task not in ("encoder", "decoder", "training")]


@pytest.mark.slow
def test_the_lines_of_a_sample_show_the_wrong_answer() -> None:
    count, bad = wrong_outputs(OF_A_FORMULA[::20])
    assert (count >= 5, bad) == (True, {})


@pytest.mark.long
def test_the_lines_of_every_wrong_submission_show_the_wrong_answer() -> None:
    count, bad = wrong_outputs([w for w in WRONG if w.task not in ("encoder", "decoder", "training")])
    assert (count > 200, bad) == (True, {})


def test_right_answers_have_no_example() -> None:
    lines = "from assignment import VAE_Model\nfrom grader.examples import example_input, small_model\n"
    lines += "model = small_model(VAE_Model, 'encode')\nprint(model.encode(example_input('x')).mean)"
    (printed,) = outputs([(reference(), lines)])
    assert numbers(printed).shape == (4,)
    assert example_of_distribution("kl", lambda *_, **__: None, Draw(1, "kl")) is None
    assert example_of_model("encode", lambda *_, **__: None) is None


def test_the_smallest_input_is_small() -> None:
    (entry,) = (w for w in WRONG if w.title == "kl: std for var")
    (graded,) = grade([Job(entry.title, source(entry), "kl")])
    (line,) = {line for text in graded.output.values() for line in text.splitlines() if line.startswith("smallest")}
    shown, _, results = line.rpartition(": ")
    assert shown.endswith(" mean = [[0.0]], logvar = [[1.0]]")
    assert re.findall(r"\[(\S+)\]", results) == ["-0.1756", "0.3591"], "what it returned, and what is right"

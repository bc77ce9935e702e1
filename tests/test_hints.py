"""How much a report tells a student: `hints` of the offering. Reports for instructors always have everything."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from grader.grading.jobs import Job, lay_out
from grader.judge.result import CheckResult, Explanation, Hints, Result, Scatter, TaskResult
from grader.report import html, results_json, terminal
from grader.report.hints import limited, told
from grader.report.results_json import Record
from tests.gradings import ROOT, wrong_kl
from tests.made_up_run import offering

COMPARED = Explanation(
    expected="kl = 4.1931",
    got="8.3862",
    deviation="4.1931 at most",
    computes="kl = sum(mean^2)",
    smallest="mean = [[0.0]]",
    hint="too large by a constant factor",
    note="line 3: no device",
    printed="mine",
    reproduce="print(q.kl())  # expected: 4.1931",
    diagnosis="kl_missing_half",
)
PICTURE = Scatter(b"\0\0\1", (0.0, 1.0), (0.0, 7.25), 1, 1, 0, (2.0, 0.0, 1.0), ((1.0, 7.25),))
CRASHED = Explanation(got="TypeError: no\nline 3, in kl: return self", hint="Is this a tensor?")
SECOND = Explanation(expected="kl = 0", got="1", hint="another hint", diagnosis="kl_negated")


def result() -> Result:
    explanations = {"first": COMPARED, "second": SECOND, "third": Explanation(expected="a gradient", got="none")}
    checks = tuple(
        CheckResult("kl", name, f"the {name} title", "value", 0, 100, "failed", explanation, PICTURE)
        for name, explanation in explanations.items()
    )
    return Result("VAE_Model.py", (TaskResult("kl", checks),), 1.0, "process", 0)


def texts(one: Result) -> str:
    """Return all that a student can read of a result, in all forms."""
    page = html.report_page(Record("me", results_json.GRADED, one), "title")
    return "\n".join([terminal.render(one, verbose=True), page, json.dumps(results_json.as_json(one))])


# ## What remains
def test_full_is_everything() -> None:
    assert limited(result(), "full") == result()


def test_short_is_the_first_hint_of_a_task_and_its_name() -> None:
    (task,) = limited(result(), "short").tasks
    own = {"note": COMPARED.note, "printed": COMPARED.printed}
    assert task.checks[0].explanation == Explanation(hint=COMPARED.hint, diagnosis="kl_missing_half", **own)
    assert [check.explanation for check in task.checks[1:]] == [Explanation(), Explanation()]


def test_none_is_the_verdict_and_what_the_student_did() -> None:
    (task,) = limited(result(), "none").tasks
    assert task.checks[0].explanation == Explanation(note=COMPARED.note, printed=COMPARED.printed)
    assert task.diagnoses == [] and task.status == "failed"
    assert (task.score, task.max_score) == (0, 300)


@pytest.mark.parametrize("hints", ["short", "none"])
def test_an_exception_of_the_students_own_is_always_shown(hints: Hints) -> None:
    assert told(CRASHED, hints).got == CRASHED.got
    left = Explanation(message="the TODO is still there")
    assert told(left, hints) == left


@pytest.mark.parametrize("hints", ["short", "none"])
def test_no_form_of_a_result_says_more(hints: Hints) -> None:
    said = texts(limited(result(), hints))
    for word in ("4.1931", "7.25", "8.3862", "mean^2", "[[0.0]]", "print(q", "another hint", "kl_negated"):
        assert word in texts(result()) and word not in said, word
    for word in ("too large by a constant factor", "kl_missing_half"):
        assert (word in said) == (hints == "short")


@pytest.mark.parametrize("hints", ["short", "none"])
def test_every_failed_check_keeps_its_title(hints: Hints) -> None:
    one = limited(result(), hints)
    said = terminal.render(one) + html.report_page(Record("me", results_json.GRADED, one), "title")
    for title in ("the first title", "the second title", "the third title"):
        assert said.count(title) == 2
    assert "for the same reason" not in said, "no text is not the same text"


# ## Where it holds
def test_a_grading_follows_the_offering_in_all_that_it_writes(tmp_path: Path) -> None:
    file = tmp_path / "VAE_Model.py"
    file.write_text(wrong_kl(), encoding="utf-8")
    exam = offering(tmp_path, ('hints = "full"', 'hints = "none"'))
    written = [tmp_path / name for name in ("results.json", "report.html", "junit.xml")]
    options = [f"--{name}={path}" for name, path in zip(("results", "report", "junitxml"), written, strict=True)]
    command = [sys.executable, "-m", "pytest", "grader/", f"--submission={file}", "-m", "kl", f"--offering={exam}"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "kl() equals the closed form" in done.stdout
    for text in (done.stdout, *(path.read_text(encoding="utf-8") for path in written)):
        assert not any(word in text for word in ("expected", "kl_missing_half", "constant factor", "sum(mean"))


def test_a_job_may_ask_for_everything_as_those_of_a_class_do(tmp_path: Path) -> None:
    options = lay_out(Job(b"", 0, "process", hints="full"), tmp_path)
    assert options.hints == "full" and "--hints=full" in options.arguments()


@pytest.mark.slow
def test_pages_and_tables_of_a_class_have_everything_about_the_tasks_of_the_offering(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ada.py").write_text(wrong_kl(), encoding="utf-8")
    lab = tmp_path / "lab.toml"
    text = (ROOT / "grader" / "offerings" / "first_lab.toml").read_text(encoding="utf-8")
    lab.write_text(f'hints = "none"\n{text}', encoding="utf-8")
    out, command = tmp_path / "out", [sys.executable, "-m", "grader"]
    options = [f"--offering={lab}", "--sandbox=process"]
    made = [*command, "class", str(tmp_path / "class"), f"--out={out}", *options]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    (row,) = csv.DictReader((out / "grades.csv").read_text(encoding="utf-8").splitlines())
    assert list(row)[5:] == ["sample", "kl", "nll", "mode"]
    assert (row["score"], row["max_score"], row["kl"]) == ("15.2", "20", "1.2")
    page = (out / "ada" / "report.html").read_text(encoding="utf-8")
    assert "kl_missing_half" in page and "sum(mean^2" in page
    assert "factor 1/2 forgotten" in (out / "index.html").read_text(encoding="utf-8")
    subprocess.run([*command, "export", str(out), "--format=csv", f"--offering={lab}"], cwd=ROOT, check=True)
    assert "15.20" in (out / "gradebook-csv.csv").read_text(encoding="utf-8")

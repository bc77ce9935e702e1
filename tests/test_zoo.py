"""The zoo: wrong submissions lose points where they are wrong and nowhere else, equivalent ones lose none."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from grader.judge.misconceptions import CATALOGUE
from grader.judge.offering import TASKS
from tests.test_wording import misleading_reports
from tests.wording import lines_with, numbers
from tests.zoo.build import REGIONS, reference, source, spans, with_answers
from tests.zoo.entry import Equivalent, Wrong
from tests.zoo.equivalent import EQUIVALENT
from tests.zoo.grade import WITHOUT_TRAINING, Graded, Job, grade, verdict
from tests.zoo.matrix import Row, header, rows, summary
from tests.zoo.scores import scores
from tests.zoo.wrong import WRONG
from tests.zoo.wrong.reports import COMPUTES, NAMES

ROOT = Path(__file__).resolve().parents[1]


ALL: tuple[Wrong | Equivalent, ...] = (*WRONG, *EQUIVALENT)


def graded(lost: dict[str, float], diagnoses: dict[str, list[str]] | None = None) -> Graded:
    return Graded("entry", lost, diagnoses or {}, {}, {}, 0.0)


# Building


def test_every_entry_is_a_file_of_its_own():
    first: dict[str, str] = {}
    twins = [
        (entry.title, known) for entry in ALL if (known := first.setdefault(source(entry), entry.title)) != entry.title
    ]
    assert twins == []
    assert [title for title, count in Counter(entry.title for entry in ALL).items() if count > 1] == []


def test_every_task_and_every_misconception_is_there():
    assert {wrong.task for wrong in WRONG} == {task.id for task in TASKS}
    missing = {m.id for m in CATALOGUE} - {wrong.diagnosis for wrong in WRONG}
    assert not missing


def test_what_reports_say_is_of_entries_that_there_are():
    titles = {wrong.title for wrong in WRONG}
    assert {title for listed in NAMES.values() for title in listed} | COMPUTES.keys() <= titles
    assert NAMES.keys() <= {m.id for m in CATALOGUE}


def test_an_answer_replaces_its_region_alone():
    text = with_answers(reference(), {"kl": "if True:\n    return 1", "decoder.forward": "return z"})
    assert "        if True:\n            return 1\n        ### END SOLUTION\n" in text
    before, after = spans(reference()), spans(text)
    changed = [r for r in REGIONS if reference()[slice(*before[r])] != text[slice(*after[r])]]
    assert changed == ["decoder.forward", "kl"]


def test_a_swap_must_find_its_text_once():
    with pytest.raises(ValueError, match="0 times"):
        source(Wrong("kl", "nothing", swaps=(("no such text", "x"),)))
    with pytest.raises(ValueError, match="not once"):
        source(Equivalent("too much", swaps=(("self", "me"),)))


def test_the_reference_is_no_entry():
    with pytest.raises(ValueError, match="reference itself"):
        source(Wrong("mode", "right after all", "return self.mean  # with a comment"))


# Reading verdicts


def test_a_row_tells_what_was_missed_and_what_was_unfair():
    wrong = Wrong("kl", "half forgotten", "return 0", diagnosis="kl_missing_half")
    row = Row(wrong, graded({"kl": 0.0, "nll": 2.0, "training": 10.0}))
    assert row.missed == {"kl"}
    assert row.unfair == {"nll"}
    assert row.undiagnosed
    assert not row.as_expected


def test_a_row_tells_a_right_name_from_a_misleading_one():
    wrong = Wrong("kl", "half forgotten", "return 0", diagnosis="kl_missing_half")
    lost = {"kl": 8.0, "nll": 0.0}
    assert Row(wrong, graded(lost, {"kl": ["kl_missing_half"]})).as_expected
    assert Row(wrong, graded(lost, {"kl": ["kl_missing_half", "kl_negated"]})).misleading == {"kl_negated"}


def test_a_row_tells_a_formula_that_is_not_the_submission_s_own():
    wrong = Wrong("kl", "doubled", "return 0", computes="kl = 2 sum")
    shown = {text: Row(wrong, replace(graded({"kl": 8.0}), computes={"kl": text})) for text in ("kl = 2 sum(1)", "0")}
    assert [row.other_formula for row in shown.values()] == ["", "0"]
    assert Row(wrong, graded({"kl": 8.0})).other_formula == "none"


def test_the_share_that_is_explained_is_that_of_those_that_fail_by_value():
    named = replace(graded({"kl": 8.0}, {"kl": ["kl_negated"]}), by_value=frozenset({"kl"}))
    silent, by_form = replace(named, diagnoses={}), replace(named, diagnoses={}, by_value=frozenset())
    table = [Row(Wrong("kl", "x", "return 0"), each) for each in (named, silent, by_form)]
    (explained,) = lines_with(summary(table), "explained ")
    assert numbers(explained) == ["1", "2"]


def test_an_equivalent_loses_exactly_what_its_own_mistake_costs():
    right, wrong = Equivalent("right"), Equivalent("no float64", loses=(("kl", 2.0),))
    assert right.unexpected({"kl": 0.0, "nll": 0.0}) == frozenset()
    assert right.unexpected({"kl": 2.0, "nll": 0.0}) == {"kl"}
    assert wrong.unexpected({"kl": 2.0, "nll": 0.0}) == frozenset()
    assert wrong.unexpected({"kl": 0.0, "nll": 1.0}) == {"kl", "nll"}
    assert wrong.unexpected({"nll": 0.0}) == frozenset()  # kl was not judged
    assert wrong.must_fall == {"kl"}


# Grading


@pytest.mark.long
def test_the_warm_grader_agrees_with_the_real_one(tmp_path):
    entry = next(wrong for wrong in WRONG if wrong.diagnosis == "kl_missing_half")
    file, results = tmp_path / "VAE_Model.py", tmp_path / "results.json"
    file.write_text(source(entry), encoding="utf-8")
    command = [sys.executable, "-m", "grader", "grade", str(file), "-m", WITHOUT_TRAINING, f"--results={results}"]
    subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=120)
    (warm,) = grade([Job("warm", source(entry))])
    cold = verdict("cold", json.loads(results.read_text()), 0.0)
    assert (warm.lost, warm.diagnoses, warm.status, warm.output) == (
        cold.lost,
        cold.diagnoses,
        cold.status,
        cold.output,
    )


def check(table: list[Row]) -> None:
    """Print the table; fail where a verdict is not as it must be."""
    print("\n".join([header(), *(row.line() for row in table), summary(table)]))
    assert [row.line() for row in table if not row.as_expected] == []


@pytest.mark.slow
def test_wrong_submissions_fall_in_their_task():
    check(list(rows(WRONG[1::9], own_only=True)))


@pytest.fixture(scope="module")
def sample() -> list[Row]:
    """Some wrong submissions, graded once in all tasks but training, for the tests that look at their reports."""
    return list(rows(WRONG[::150]))


def test_wrong_submissions_keep_all_other_points(sample: list[Row]) -> None:
    check(sample)


def test_no_report_of_a_sample_of_wrong_submissions_misleads(sample: list[Row]) -> None:
    assert all(row.graded.output for row in sample)
    assert misleading_reports(row.graded for row in sample) == {}


@pytest.mark.slow
def test_more_wrong_submissions_keep_all_other_points_and_no_report_misleads() -> None:
    table = list(rows(WRONG[::50]))
    check(table)
    assert sum(bool(row.graded.output) for row in table) > 10
    assert misleading_reports(row.graded for row in table) == {}


COURSE = ROOT / "grader" / "offerings" / "course.toml"
GIVEN = [wrong for wrong in WRONG if wrong.must_fall <= {"encoder", "decoder"}]


@pytest.mark.slow
def test_a_mistake_in_a_given_part_costs_nothing_and_any_other_costs_its_own_task() -> None:
    table = list(rows([*GIVEN[::9], *WRONG[7::60]], offering=COURSE))
    check(table)
    assert {row.graded.fell for row in table if row.wrong in GIVEN} == {frozenset()}


@pytest.mark.long
def test_every_wrong_submission_where_the_networks_are_given() -> None:
    check(list(rows(WRONG, offering=COURSE)))


@pytest.mark.slow
def test_equivalent_submissions_lose_nothing():
    found = scores(EQUIVALENT[::6], [0], WITHOUT_TRAINING)
    assert {entry.title: g.output for entry, _, g in found if entry.unexpected(g.lost)} == {}


@pytest.mark.long
def test_every_wrong_submission():
    check(list(rows(WRONG)))


@pytest.mark.long
def test_every_equivalent_submission_over_five_seeds():
    found = scores(EQUIVALENT, range(5))
    assert {f"{entry.title}, seed {seed}": g.output for entry, seed, g in found if entry.unexpected(g.lost)} == {}

"""Reading results.json back: the result model returns as it was, whatever else the file holds does no harm."""

import copy
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from grader.instructor.class_runs.grades import Entry, read_class, record
from grader.judge.result import Explanation, Picture, Result, TaskResult, TrainingPictures
from grader.report import results_json
from grader.report.explain import shown
from grader.report.text import safe_cell
from tests.made_up_class import PICTURES, a_class, checks, entry, result


# ## One result
@pytest.mark.parametrize(
    "outcome", ["full", "kl_missing_half", "wrong", "not attempted", "crashed", "timed out", "out of memory"]
)
def test_a_result_returns_as_it_was(outcome: str) -> None:
    before = result({"kl": outcome})
    after = results_json.result(json.loads(json.dumps(results_json.as_json(before))), before.submission)
    assert after == replace(before, environment=after.environment)
    assert after.environment == {name: str(value) for name, value in before.environment.items()}


def test_every_field_of_an_explanation_returns() -> None:
    told = Explanation(**{field.name: f"{field.name},\nhint      {i}" for i, field in enumerate(fields(Explanation))})
    kl = tuple(replace(check, explanation=told) for check in checks("kl", "wrong"))
    before = Result("f.py", (TaskResult("kl", kl),), 1.0, "process", 0)
    assert results_json.result(json.loads(json.dumps(results_json.as_json(before))), "f.py") == before


def test_the_pictures_of_the_training_run_return() -> None:
    seen = TrainingPictures((1, 5), (3140.5, 2950.0), 3139.0, 2882.0, b"\x89PNG\r\n")
    before = Result("f.py", (), 1.0, "process", 0, training=seen)
    assert results_json.result(json.loads(json.dumps(results_json.as_json(before))), "f.py") == before


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: type(picture).__name__)
def test_the_picture_of_a_check_returns(picture: Picture) -> None:
    shape, value, gradient = checks("kl", "wrong")
    before = Result("f.py", (TaskResult("kl", (shape, replace(value, picture=picture), gradient)),), 1.0, "process", 0)
    assert results_json.result(json.loads(json.dumps(results_json.as_json(before))), "f.py") == before


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: type(picture).__name__)
def test_a_picture_of_another_format_makes_the_file_one_of_another_format(picture: Picture) -> None:
    whole = entry("ada", {"kl": "wrong"}, picture=picture)
    assert whole.results is not None and record(whole).result is not None
    kept = next(test["extra_data"]["picture"] for test in whole.results["tests"] if "picture" in test["extra_data"])
    for name, value in list(kept.items()):
        for odd in ("<svg onload=alert(1)>", None, [None], {"x": 1}):
            kept[name] = odd
            assert record(whole).status == "its results.json has another format", (name, odd)
        kept[name] = value
    assert record(whole).result is not None


def test_a_later_check_keeps_the_status_of_its_own() -> None:
    shape, value, gradient = checks("kl", "wrong")
    late = replace(value, title="later", status="timed out", explanation=Explanation(got="too slow"))
    before = Result("f.py", (TaskResult("kl", (shape, value, late, gradient)),), 1.0, "process", 0)
    assert results_json.result(results_json.as_json(before), "f.py") == before


def test_what_was_not_judged_and_what_was_left_out_return() -> None:
    shape, value, gradient = checks("kl", "kl_missing_half")
    stopped = replace(gradient, status="not judged", explanation=Explanation(message="the run was stopped"))
    tasks = (TaskResult("kl", (shape, value, stopped)), TaskResult("mode", checks("mode", "full")[:2], left_out=60))
    before = Result("f.py", tasks, 1.0, "process", 0)
    after = results_json.result(json.loads(json.dumps(results_json.as_json(before))), "f.py")
    assert after == before and after.unfinished
    assert shown(after.tasks[0]).waiting == ()


def test_what_the_class_run_recorded_is_kept() -> None:
    assert record(entry("a", made={"sha256": "ff"})).made == {"sha256": "ff"}


def _broken() -> list[Any]:
    good = entry("a").results
    assert good is not None
    damaged: list[Any] = [{}, [], "text", 3, {"extra_data": None}, {"extra_data": {"tasks": {}}, "tests": 3}]
    for change in (
        lambda r: r["tests"][0].pop("tags"),
        lambda r: r["tests"][0].pop("extra_data"),
        lambda r: r["tests"][0]["extra_data"].update(status="excellent"),
        lambda r: r["tests"][0]["extra_data"].update(kind="form"),
        lambda r: r["tests"][0].update(score=float("nan")),
        lambda r: r["tests"][0].update(score=float("inf")),
        lambda r: r["extra_data"]["tasks"].update(kl=3),
        lambda r: r["extra_data"].pop("seed"),
    ):
        results = copy.deepcopy(good)
        change(results)
        damaged.append(results)
    return damaged


@pytest.mark.parametrize("results", _broken(), ids=range(len(_broken())))
def test_what_is_no_results_json_becomes_a_status(results: Any) -> None:
    read = record(Entry("a", "graded", results))
    assert (read.result, read.status) == (None, "its results.json has another format")


def test_texts_become_harmless() -> None:
    read = record(entry("na\u202eme", {"kl": "wrong"}, got="\x1b[31mred\x1b[0m\u202e\x00"))
    assert read.result is not None
    assert read.submission == "na\N{REPLACEMENT CHARACTER}me"
    assert read.result.tasks[0].checks[1].output == "got       red\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"


# ## A whole class run
def test_a_class_run_is_read_from_its_folder(tmp_path: Path) -> None:
    for one in a_class():
        if one.results:
            (tmp_path / one.submission).mkdir()
            (tmp_path / one.submission / "results.json").write_text(json.dumps(one.results))
    rows = [f"{one.submission},0,22,{safe_cell(one.status)},1" for one in a_class()]
    (tmp_path / "grades.csv").write_text("\n".join(["submission,score,max_score,status,seconds", *rows]))
    assert list(read_class(tmp_path)) == a_class()


def test_without_grades_csv_the_folders_are_the_class(tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "results.json").write_text("{")
    (tmp_path / "no entry").mkdir()
    assert list(read_class(tmp_path)) == [Entry("damaged", "its results.json cannot be read")]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no class run"):
        read_class(tmp_path)


# ## What needs words
def test_a_worker_that_died_is_explained_once() -> None:
    found = shown(TaskResult("kl", checks("kl", "timed out")))
    assert [check.kind for check in found.explained] == ["shape"]
    assert found.same == 1, "the value check ended with it"
    assert [check.kind for check in found.waiting] == ["gradient"]


def test_checks_that_follow_from_a_wrong_value_wait_for_it() -> None:
    found = shown(TaskResult("kl", checks("kl", "kl_missing_half")))
    assert [check.kind for check in found.explained] == ["value"]
    assert [check.title for check in found.waiting] == ["its gradient"]


def test_what_was_not_attempted_needs_no_words() -> None:
    assert shown(TaskResult("kl", checks("kl", "not attempted"))).explained == ()


def test_an_explanation_falls_into_its_parts() -> None:
    told = Explanation("a\nmore", "b", hint="c", printed="d\nhint      e", diagnosis="kl_missing_half")
    assert told.parts() == (("expected", "a\nmore"), ("got", "b"), ("hint", "c"), ("printed", "d\nhint      e"))
    text = "expected  a\n          more\ngot       b\nhint      c\nprinted   d\n          hint      e"
    assert told.text() == text, "what a student prints cannot pose as the grader's words"
    assert (Explanation(message="not attempted yet").text(), Explanation().text()) == ("not attempted yet", "")

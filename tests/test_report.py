"""The reports: results.json field by field, the terminal's table, and text that can do no harm."""

import io
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tqdm import tqdm

from grader.judge.result import CheckResult, Explanation, Result, TaskResult
from grader.platforms import classroom
from grader.report import results_json, terminal
from grader.report.explain import WAITS, judged_part
from grader.report.text import harmless, one_line, settled, shortened
from tests.made_up_class import checks
from tests.wording import numbers

SEVEN = Explanation(got="7", diagnosis="kl_missing_half")
KL = TaskResult(
    "kl",
    (
        CheckResult("kl", "test_shape", "one number per row", "shape", 200, 200, "passed"),
        CheckResult("kl", "test_value", "the closed form", "value", 0, 500, "failed", SEVEN),
        CheckResult(
            "kl",
            "test_gradient",
            "its gradient",
            "gradient",
            0,
            300,
            "passed",
            Explanation(message="passes, but pays only once"),
        ),
    ),
)
MODE = TaskResult(
    "mode",
    (CheckResult("mode", "test_value", "the peak", "value", 0, 200, "not attempted", Explanation(message="TODO")),),
)
NLL = TaskResult(
    "nll",
    (
        CheckResult("nll", "test_a", "title a", "value", 0, 333, "timed out", Explanation(got="too slow")),
        CheckResult("nll", "test_b", "title b", "shape", 0, 667, "timed out", Explanation(got="too slow")),
    ),
)
ENCODE = TaskResult("encode", (CheckResult("encode", "test_v", "the heads", "value", 512, 512, "passed"),))
RESULT = Result(
    submission="some/VAE_Model.py",
    tasks=(KL, NLL, MODE, ENCODE),
    seconds=7.9,
    sandbox="process",
    seed=3,
    environment={"python": "3.11.0", "torch": "2.4.0", "threads": 1},
)


# ## results.json
def test_extra_data_holds_the_result_model_field_by_field() -> None:
    assert results_json.as_json(RESULT)["extra_data"] == {
        "tasks": {
            "kl": {"score": 2.0, "max_score": 10.0, "status": "failed", "diagnoses": ["kl_missing_half"]},
            "nll": {"score": 0.0, "max_score": 10.0, "status": "timed out", "diagnoses": []},
            "mode": {"score": 0.0, "max_score": 2.0, "status": "not attempted", "diagnoses": []},
            "encode": {"score": 5.12, "max_score": 5.12, "status": "passed", "diagnoses": []},
        },
        "score": 7.12,
        "max_score": 27.12,
        "seconds": 7.9,
        "sandbox": "process",
        "seed": 3,
        "environment": {"python": "3.11.0", "torch": "2.4.0", "threads": 1},
    }


def test_each_check_is_one_of_gradescopes_tests() -> None:
    tests = results_json.as_json(RESULT)["tests"]
    assert tests[1] == {
        "name": "kl: the closed form",
        "score": 0.0,
        "max_score": 5.0,
        "status": "failed",
        "output": "got       7",
        "tags": ["kl"],
        "extra_data": {
            "id": "test_value",
            "title": "the closed form",
            "kind": "value",
            "status": "failed",
            "got": "7",
            "diagnosis": "kl_missing_half",
        },
    }
    assert [test["tags"] for test in tests] == [["kl"]] * 3 + [["nll"]] * 2 + [["mode"], ["encode"]]
    assert {test["status"] for test in tests} <= {"passed", "failed"}, "Gradescope knows no other"


def test_a_headline_says_what_gradescopes_two_statuses_cannot() -> None:
    tasks = tuple(TaskResult("kl", checks("kl", outcome)) for outcome in ("crashed", "wrong"))
    tests = results_json.as_json(Result("f.py", tasks, 1.0, "process", 0))["tests"]
    assert [test["output"].partition("\n")[0] for test in tests] == [
        *("crashed", "crashed", WAITS),
        *("", "expected  kl = 4.2", WAITS),
    ]  # fmt: skip


def test_the_top_level_is_what_gradescope_reads() -> None:
    top = results_json.as_json(RESULT)
    assert (top["score"], top["execution_time"]) == (7.12, 7.9)
    formats = [top[key] for key in ("output_format", "test_output_format", "test_name_format") if key in top]
    assert set(formats) <= {"text", "html", "simple_format", "md", "ansi"}


def test_scores_add_up_from_checks_to_tasks_to_the_total() -> None:
    top = results_json.as_json(RESULT)
    tasks, tests = top["extra_data"]["tasks"], top["tests"]
    for task, entry in tasks.items():
        of_task = [test for test in tests if test["tags"] == [task]]
        assert sum(round(100 * test["score"]) for test in of_task) == round(100 * entry["score"])
        assert sum(round(100 * test["max_score"]) for test in of_task) == round(100 * entry["max_score"])
    assert sum(round(100 * entry["score"]) for entry in tasks.values()) == round(100 * top["score"])


def test_writing_makes_the_folder_and_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "results.json"
    for _ in range(2):
        results_json.write_results(path, RESULT)
        assert json.loads(path.read_text(encoding="utf-8")) == results_json.as_json(RESULT)
        assert [p.name for p in path.parent.iterdir()] == ["results.json"]


def test_no_character_of_the_file_can_harm_a_terminal_that_shows_it(tmp_path: Path) -> None:
    check = CheckResult("kl", "test_value", "σ", "value", 0, 100, "failed", Explanation(got="\u202e数\x9b"))
    path = tmp_path / "results.json"
    results_json.write_results(path, Result("f.py", (TaskResult("kl", (check,)),), 1.0, "process", 0))
    assert path.read_bytes().isascii()
    assert re.fullmatch(rb"[\x20-\x7e\n]*", path.read_bytes())
    assert json.loads(path.read_text(encoding="utf-8"))["tests"][0]["output"] == check.output


def test_others_may_read_the_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results_json.write_results(path, RESULT)
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode, "no stricter than any other new file"


def _cannot_dump(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("owner", "name"), [(json, "dump"), (Path, "replace"), (os, "replace")])
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    path = tmp_path / "results.json"
    path.write_text("the old results")
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, _cannot_dump)
        try:
            results_json.write_results(path, RESULT)
        except OSError:
            assert path.read_text() == "the old results"
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"], "no temporary file is left behind"


# ## The terminal
def test_the_table_says_points_and_status_of_each_task_and_the_sum() -> None:
    lines = terminal.render(RESULT).splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[-6:] if line}
    assert rows["task"] == "points status"
    assert rows["kl"] == "2 / 10 failed (kl_missing_half)"
    assert rows["nll"] == "0 / 10 timed out"
    assert rows["mode"] == "0 / 2 not attempted"
    assert rows["encode"] == "5.12 / 5.12 passed"
    assert numbers(rows["score"]) == ["7.12", "27.12", "3", "7.9"], "points, the seed, and seconds"
    assert " some/VAE_Model.py," in rows["score"] and " process," in rows["score"]


def test_each_failure_is_explained_once_below_its_title() -> None:
    text = terminal.render(RESULT)
    assert "kl: the closed form\n    got       7\n" in text
    assert text.count("too slow") == 1, "a worker that died explains itself once, not once per check"
    assert "encode: " not in text, "what passed needs no words"
    assert "mode: " not in text, "an untouched TODO is no mistake"


def test_nothing_that_a_submission_brings_reaches_the_terminal_as_it_is() -> None:
    evil = CheckResult("kl", "test_value", "title", "value", 0, 100, "crashed", Explanation(got="\x1b[2J\x9bhi\u202e"))
    text = terminal.render(Result("\x1b]0;owned\x07\u202eyp.py", (TaskResult("kl", (evil,)),), 1.0, "process", 0))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_checks_that_follow_from_a_wrong_value_only_wait_for_it() -> None:
    wrong = Result("f.py", (TaskResult("kl", checks("kl", "kl_missing_half")),), 1.0, "process", 0)
    text = terminal.render(wrong)
    assert re.search(r"^kl: .*\n    - its gradient \(failed\)$", text, re.MULTILINE)
    assert "what follows from the wrong value" not in text


def test_a_score_from_in_process_says_that_it_does_not_count() -> None:
    debugged = Result("f.py", (KL,), 1.0, "in-process", 0)
    assert "does not count" in terminal.render(debugged)
    assert "does not count" not in terminal.render(RESULT)


def test_a_part_says_how_much_was_judged() -> None:
    whole, (shape, value, _) = TaskResult("mode", checks("mode", "full")), checks("kl", "full")
    stopped = TaskResult(
        "kl", (shape, replace(value, score=0, status="not judged", explanation=Explanation(message="stopped")))
    )
    never = TaskResult("training", tuple(replace(c, score=0, status="not judged") for c in checks("training", "full")))
    result = Result("f.py", (stopped, whole, never), 1.0, "process", 0)
    text = terminal.render(result)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line}
    assert numbers(judged_part(stopped)) == ["2", "7"] and numbers(judged_part(result)) == ["4", "19"]
    assert rows["kl"] == f"2 / 7 not judged, {judged_part(stopped)}"
    assert (rows["mode"], rows["training"]) == ("2 / 2 passed", "0 / 10 not judged")
    assert rows["score"].endswith(f" 1.0 s; unfinished: {judged_part(result)}")
    assert "stopped" not in text, "nothing to read about what was not judged"
    part = TaskResult("kl", (shape,), left_out=800)
    text = terminal.render(Result("f.py", (part,), 1.0, "process", 0))
    assert numbers(judged_part(part)) == ["2", "10"]
    assert f" passed, {judged_part(part)}\n" in text
    assert text.rstrip().endswith(f" 1.0 s; {judged_part(part)}")


def test_colours_come_only_when_asked_for_and_change_no_word() -> None:
    plain, coloured = terminal.render(RESULT), terminal.render(RESULT, color=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain


# ## Text from strangers
HOSTILE = {
    "colours": ("\x1b[31mred\x1b[0m", "red"),
    "clear the screen": ("\x1b[2J\x1b[Hgone", "gone"),
    "a window title": ("\x1b]0;owned\x07text", "text"),
    "a link": ("\x1b]8;;http://example.org\x1b\\click\x1b]8;;\x1b\\", "click"),
    "one-character escapes": ("a\x1bMb\x1bDc", "abc"),
    "a carriage return that hides": ("score 0\rscore 9", "score 0\N{REPLACEMENT CHARACTER}score 9"),
    "lines of Windows": ("a\r\nb", "a\nb"),
    "backspaces and bells": ("a\b\ab", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"),
    "null": ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
    "C1 controls": ("a\x9b31mb", "a\N{REPLACEMENT CHARACTER}31mb"),
    "text turned around": ("a\u202eb\u202c", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
    "isolated text": ("\u2066a\u2069", "\N{REPLACEMENT CHARACTER}a\N{REPLACEMENT CHARACTER}"),
    "half a surrogate pair": ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
    "what is no harm": ("tab\tnewline\nσ² ≥ 0, 数", "tab\tnewline\nσ² ≥ 0, 数"),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_text_becomes_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b[]0;mJ\x07\\\u202e\r\n\x9b"), max_size=40))
def test_no_text_keeps_an_escape_or_cannot_be_written(text: str) -> None:
    shown = harmless(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert harmless(shown) == shown


# ## Orders to a CI runner
_LINES = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def orders(text: str) -> list[str]:
    """Return the lines that GitHub's runner takes for orders: "::" after blanks, and "##[" anywhere; Azure's too."""
    return [line for line in _LINES.split(text) if line.strip().startswith("::") or re.search(r"##(vso)?\[", line)]


ORDERS = (
    "::set-output name=x::y",
    "  ::error::",
    "\t\u3000\xa0::add-mask::1",
    "##[add-path]/tmp",
    "x ##[error]",
    "##vso[task.x]",
)


@pytest.mark.parametrize(
    "separator", ["", *"\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\r\n", "\x1b[0m", "\x1b[0m\n\x1b[1m"]
)
@pytest.mark.parametrize("order", ORDERS)
def test_no_text_of_a_submission_is_an_order_wherever_it_is_printed(order: str, separator: str) -> None:
    text = f"{separator}{order}{separator}{order}"
    check = CheckResult("kl", "test_value", "title", "value", 0, 100, "crashed", Explanation(got=text))
    result = Result(text, (TaskResult("kl", (check,)),), 1.0, "process", 0)
    message = classroom.as_classroom_json(result, notice=text)["tests"]
    for printed in (harmless(text), one_line(text), terminal.render(result), *(test["message"] for test in message)):
        assert orders(printed) == []
    assert len(one_line(text).splitlines()) <= 1


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.sampled_from(":#[vso x\n\r\v\x85\u2028\u3000\x1b0m\ufeff\u200b"), max_size=30))
def test_whatever_the_text_is_it_orders_nothing(text: str) -> None:
    assert orders(harmless(text)) == orders(one_line(text)) == []
    assert harmless(harmless(text)) == harmless(text)


def test_what_only_looks_like_an_order_is_kept() -> None:
    for text in ("RuntimeError: c10::Error in at::native", "kl[::2] and x[1::3]", "## Heading", "# [1, 2]", "a: b"):
        assert harmless(text) == text


# ## Text that writes over itself
OVERWRITTEN = {
    "a progress bar": ("  0%|    |\r 50%|##  |\r100%|####|\n", "100%|####|\n"),
    "a shorter text over a longer one": ("epoch 10\rloss", "lossh 10"),
    "a line that is erased": ("epoch 10\r\x1b[Kloss", "loss"),
    "a bar that leaves nothing": ("50%|##  |\r         \rdone", "done"),
    "backspaces": ("1%\b\b2%\b\b3%", "3%"),
    "lines of Windows": ("a\r\nb\r\n", "a\nb\n"),
    "a bar in a bar": ("outer 0\n\rinner 0\x1b[A\n\rinner 1\x1b[A\router 1\n", "outer 1\ninner 1"),
    "colours": ("\x1b[31mred\x1b[0m", "red"),
    "no more than there is": ("\b\b\x1b[9Aa\x1b[9Bb", "ab"),
    "plain text": ("one\n\n  two\tσ²\n", "one\n\n  two\tσ²\n"),
}


@pytest.mark.parametrize(("text", "shown"), OVERWRITTEN.values(), ids=OVERWRITTEN.keys())
def test_text_is_shown_as_a_terminal_shows_it_in_the_end(text: str, shown: str) -> None:
    assert settled(text) == shown


def test_bars_of_tqdm_leave_their_last_state_alone() -> None:
    stream = io.StringIO()
    for _ in tqdm(range(3), file=stream, mininterval=0, desc="epochs"):
        for _ in tqdm(range(3), file=stream, mininterval=0, desc="steps", position=1, leave=False):
            pass
    lines = settled(stream.getvalue()).strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("epochs: 100%|##########| 3/3 ")


@pytest.mark.parametrize("flood", ["x\b", "\n\x1b[A", "ab\r", "\x1b[9D", "\x1b[", "y\x1b[999B\n", "\x1b]"])
def test_a_flood_is_settled_in_time(flood: str) -> None:
    text = flood * ((1 << 16) // len(flood))
    begun = time.process_time()
    assert len(settled(text)) <= len(text) + 1
    assert time.process_time() - begun < 5.0


def test_short_text_is_kept_as_it_is() -> None:
    text = "one\ntwo\nthree"
    assert shortened(text) == text
    assert shortened("") == ""


def test_long_text_says_what_was_left_out() -> None:
    text = "\n".join(f"line {i}" for i in range(20))
    *shown, left_out = shortened(text, lines=3).splitlines()
    assert shown == text.splitlines()[:3] and numbers(left_out) == ["17"]
    shown_part, dots, left_out = shortened("x" * 25, width=10).partition("...")
    assert (shown_part, dots, numbers(left_out)) == ("x" * 10, "...", ["15"])


@pytest.mark.parametrize("flood", [lambda: "x" * 10**6, lambda: "x\n" * 10**6, lambda: "\n" * 10**6])
def test_a_flood_becomes_a_few_lines(flood: Callable[[], str]) -> None:
    assert len(shortened(flood())) < 2000

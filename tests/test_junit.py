"""Points in JUnit files: whatever text a student brings, the file is XML, and the points are the grader's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from _pytest.junitxml import LogXML

from grader.judge.result import CheckResult, Explanation, Result, TaskResult
from grader.report.junit import add_points

HOSTILE = "\x00\x1b[31m<b>&amp;]]></failure>\ufffe\uffff\ud800 σ"


def file_of(path: Path, checks: tuple[CheckResult, ...], output: str) -> ElementTree.Element:
    """Write the file of a run in which the first check passed and all others failed, and read it."""
    log = LogXML(str(path), None)
    log.pytest_sessionstart()
    for i, check in enumerate(checks):
        place = f"grader/test_{check.task}.py"
        for when in ("setup", "call", "teardown"):
            outcome: Any = "failed" if i and when == "call" else "passed"
            report = pytest.TestReport(f"{place}::{check.name}", (place, 1, check.name), {}, outcome, output, when)
            report.user_properties = [("task", check.task)] if when == "teardown" else []
            log.pytest_runtest_logreport(report)
    result = Result("f.py", (TaskResult("kl", checks),), 1.0, "process", 0)
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugins=lambda: {log}))
    add_points(config, result)
    log.pytest_sessionfinish()
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def properties(case: ElementTree.Element) -> dict[str | None, str | None]:
    return {one.get("name"): one.get("value") for one in case.iter("property")}


CHECKS = (
    CheckResult("kl", "test_shape", "its shape", "shape", 200, 200, "passed"),
    CheckResult(
        "kl", "test_value", "its value", "value", 0, 555, "timed out", Explanation(diagnosis="kl_missing_half")
    ),
    CheckResult("kl", "test_gradient", "its gradient", "gradient", 0, 245, "passed"),
)


def test_each_check_has_its_points_as_properties(tmp_path: Path) -> None:
    cases = list(file_of(tmp_path / "junit.xml", CHECKS, "got 8").iter("testcase"))
    assert [properties(case) for case in cases] == [
        {"task": "kl", "points": "2.00", "max_points": "2.00", "status": "passed"},
        {
            "task": "kl",
            "points": "0.00",
            "max_points": "5.55",
            "status": "timed out",
            "diagnosis": "kl_missing_half",
        },
        {"task": "kl", "points": "0.00", "max_points": "2.45", "status": "passed"},
    ]


def test_text_of_a_student_stays_text(tmp_path: Path) -> None:
    suite = file_of(tmp_path / "junit.xml", CHECKS, HOSTILE)
    first, second, _ = suite.iter("testcase")
    assert first.find("failure") is None
    failure = second.find("failure")
    assert failure is not None and failure.text is not None
    assert "<b>&amp;]]></failure>" in failure.text and "σ" in failure.text
    assert "\x1b" not in failure.text and len(failure) == 0
    assert properties(second)["points"] == "0.00"


def test_a_check_that_the_result_does_not_know_has_no_points(tmp_path: Path) -> None:
    log = LogXML(str(tmp_path / "junit.xml"), None)
    log.node_reporter("internal").to_xml()
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugins=lambda: {log, object()}))
    add_points(config, Result("f.py", (), 1.0, "process", 0))

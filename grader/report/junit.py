"""Add points to the file of pytest's `--junitxml`, as properties of each test case, since JUnit has no field for them.

The points of a check are known only after its whole task has been judged, but pytest completes a test case as soon as
it has run. So the properties are added at the end, before pytest writes the file.
"""

from collections.abc import Iterable
from xml.etree import ElementTree

import pytest
from _pytest.junitxml import LogXML, bin_xml_escape

from grader.judge.result import CheckResult, Result

from .text import two_decimals


def add_points(config: pytest.Config, result: Result) -> None:
    """If `--junitxml` is used, add `points`, `max_points`, `status` and `diagnosis` to the test case of each check.

    Test cases are identified by the property `task`, which they already have, and by the name of the check.
    """
    checks = {(check.task, check.name): check for task in result.tasks for check in task.checks}
    for log in config.pluginmanager.get_plugins():
        if isinstance(log, LogXML):
            for reporter in log.node_reporters_ordered:
                _describe(reporter.to_xml(), checks)


def _describe(case: ElementTree.Element, checks: dict[tuple[str, str], CheckResult]) -> None:
    properties = case.find("properties")
    if properties is None:  # a test case that pytest added itself, for example for an error of the grader
        return
    task = next((one.get("value", "") for one in properties if one.get("name") == "task"), "")
    check = checks.get((task, case.get("name", "")))
    for name, value in _properties(check) if check else ():
        properties.append(ElementTree.Element("property", name=name, value=bin_xml_escape(value)))


def _properties(check: CheckResult) -> Iterable[tuple[str, str]]:
    yield "points", two_decimals(check.score)
    yield "max_points", two_decimals(check.max_score)
    yield "status", check.status
    if check.diagnosis:
        yield "diagnosis", check.diagnosis

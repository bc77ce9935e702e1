"""Points in the file of pytest's own `--junitxml`: properties of each test case, as JUnit has no field for them.

A check's points are known only when its whole task is judged, but pytest closes a test case as soon as it has run. So
the properties are added at the end, before pytest writes the file.
"""

from collections.abc import Iterable
from xml.etree import ElementTree

import pytest
from _pytest.junitxml import LogXML, bin_xml_escape

from grader.judge.result import CheckResult, Result

from .text import two_decimals


def add_points(config: pytest.Config, result: Result) -> None:
    """Add to each check's test case its `points`, `max_points`, `status` and `diagnosis`, if a file is asked for.

    Test cases are known by the property `task`, which they have already, and by the name of the check.
    """
    checks = {(check.task, check.name): check for task in result.tasks for check in task.checks}
    for log in config.pluginmanager.get_plugins():
        if isinstance(log, LogXML):
            for reporter in log.node_reporters_ordered:
                _describe(reporter.to_xml(), checks)


def _describe(case: ElementTree.Element, checks: dict[tuple[str, str], CheckResult]) -> None:
    properties = case.find("properties")
    if properties is None:  # a test case of pytest's own, as an error of the grader's
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

"""`python -m grader --help` and each command's: what it does, defaults, examples, exit status; errors of one line."""

import re
import subprocess
import sys

import pytest

from grader.__main__ import main
from tests.gradings import ROOT


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of a command that ends at its command line."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(str(ended.value.code)), captured.out, captured.err


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    _, text, _ = said(capsys, "--help")
    listed = text.partition("COMMAND\n")[2].partition("\n\n")[0]
    return re.findall(r"^    (\w+)", listed, re.MULTILINE)


def test_the_commands_are_listed_with_a_line_each_and_an_instructors_day(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = said(capsys, "--help")
    assert status == 0
    assert {"grade", "watch", "class", "export", "release", "doctor"} == set(commands(capsys))
    day = text.partition("an instructor's day:\n")[2].partition("\n\n")[0].splitlines()
    assert len(day) >= 4 and all(line.startswith("  python -m grader ") for line in day)


def test_each_command_says_what_it_does_its_defaults_examples_and_exit_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in commands(capsys):
        status, text, _ = said(capsys, command, "--help")
        assert status == 0
        usage, description, *_ = text.split("\n\n")
        assert usage.startswith(f"usage: python -m grader {command}") and description.endswith("."), command
        examples = text.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
        assert examples and all(line.startswith(f"  python -m grader {command}") for line in examples), command
        assert re.search(r"^exit status: 0 ", text, re.MULTILINE), command
        assert max(map(len, text.splitlines())) <= 120, command


def test_each_option_states_its_default_unless_it_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(capsys):
        _, text, _ = said(capsys, command, "--help")
        usage = " ".join(text.partition("\n\n")[0].split())
        options = text.partition("options:\n")[2].partition("\n\n")[0]
        for entry in re.split(r"^  (?=-)", options, flags=re.MULTILINE)[2:]:
            name = re.match(r"-[-\w]+", entry)
            assert name is not None
            optional = f"[{name[0]}" in usage
            assert not optional or entry.rstrip().endswith("]"), f"{command} {name[0]} has no [default]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "python -m grader: the following arguments are required: COMMAND"),
        (["grad"], "python -m grader: argument COMMAND: invalid choice: 'grad'"),
        (["grade"], "python -m grader grade: the following arguments are required: FILE"),
        (
            ["grade", "setup.cfg", "--sandbox=castle"],
            "python -m grader grade: argument --sandbox: invalid choice",
        ),
        (
            ["grade", "setup.cfg", "--seed=x"],
            "argument --seed: must be a whole number, not 'x'",
        ),
        (["grade", "setup.cfg", "b.py"], "unrecognized arguments: b.py"),
        (["grade", "setup.cfg", "--result=x"], "unrecognized arguments: --result=x"),
        (["class", "tests"], "python -m grader class: the following arguments are required: --out"),
        (
            ["class", "tests", "--out=b", "--jobs=many"],
            "--jobs: must be a whole number, 1 or more, not 'many'",
        ),
        (["class", "tests", "--out=b", "--sandbox=in-process"], "argument --sandbox: invalid choice: 'in-process'"),
        (["doctor", "--sandbox=castle"], "python -m grader doctor: argument --sandbox: invalid choice: 'castle'"),
        (["export", "tests", "--format=xls"], "python -m grader export: argument --format: invalid choice: 'xls'"),
        (["export", "tests", "--format=csv", "--missing=one"], "argument --missing: invalid choice: 'one'"),
        (["release", "dist"], "unrecognized arguments: dist"),
        (["release", "--out"], "python -m grader release: argument --out: expected one argument"),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line_that_says_where_to_read_on(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    status, out, text = said(capsys, *arguments)
    assert (status, out) == (2, "")
    assert words in text and text.count("\n") == 1
    assert re.search(r"python -m grader( \w+)? --help\n$", text)


WITHOUT_TORCH = """
import contextlib, importlib, sys
from grader.__main__ import main
for line in ("--help", "grade absent.py", "grade --help", "doctor --help", "doctor --sandbox=castle", "class --help",
             "export --help", "release --help"):
    with contextlib.suppress(SystemExit):
        main(line.split())
for module in ("grader.conftest", "grader.grading.session", "grader.instructor.doctor.doctor"):
    importlib.import_module(module)
print(sorted({"torch", "numpy", "hypothesis", "jinja2"} & sys.modules.keys()), file=sys.stderr)
"""


def test_help_and_refusals_come_without_torch_and_sandboxes_start_before_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr

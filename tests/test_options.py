"""Every option of every command: what it refuses, in which words, and that a `~` is the home folder.

The table holds a kind for each option. The parsers themselves are walked, so that an option without a row fails.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import assignment.settings
import data.__main__
import grader.__main__
import solution.__main__
import solution.skeleton
from data.commandline import Parser
from grader import plugin
from grader.grading.options import GradingOptions
from grader.platforms import autolab, classroom, gradescope, gradescope_setup, prairielearn
from grader.sandbox import SANDBOXES
from tests import calibrate, margins
from tests.benchmarks import __main__ as benchmarks
from tests.zoo import __main__ as zoo

ROOT = Path(__file__).parents[1]
PROGRAM = "program"


@dataclass(frozen=True)
class Kind:
    """What options of a kind refuse, each wrong value with words of the answer; and whether they take paths."""

    wrong: dict[str, str]
    path: bool = False


def _whole(limits: str, *more: str) -> Kind:
    words = f"must be a whole number{limits}, not "
    return Kind({value: f"{words}'{value}'" for value in ("", "abc", "1.5", "1e3", *more)})


def _choice(*names: str) -> Kind:
    return Kind(dict.fromkeys(("", "castle", names[0].upper(), f"{names[0]} "), names[-1]))


_NO_PATH = {
    "": "must be a path, not ''",
    "  ": "must be a path, not '  '",
    "~nobody has this name/x": "there is no home folder '~nobody has this name/x'",
    "x" * 300: "File name too long",
}
PATH = Kind(_NO_PATH, path=True)
FILE = Kind({**_NO_PATH, "no such": "must be a file that exists, not 'no such'", "/": "exists, not '/'"}, path=True)
FILE_OR_FOLDER = Kind({**_NO_PATH, "no such": "must be a file or folder that exists, not 'no such'"}, path=True)
FOLDER = Kind({**_NO_PATH, "no such": "must be a folder that exists, not 'no such'"}, path=True)
_IMAGES = "must be sample, svhn, or a file or folder that exists, not "
IMAGES = Kind({**_NO_PATH, **{value: f"{_IMAGES}'{value}'" for value in ("", "  ", "no\nsuch")}}, path=True)
IMAGES.wrong["no\nsuch"] = f"{_IMAGES}'no\\nsuch'"
ANY_NUMBER, COUNT, COUNT_OR_NONE = _whole(""), _whole(", 1 or more", "0", "-1"), _whole(", 0 or more", "-1")
SEED = _whole(" from 0 to 4294967295", "-1", "4294967296")
RATE = Kind({value: f"must be a number above 0, not '{value}'" for value in ("", "abc", "0", "-1", "nan", "inf")})
_POINTS = "must be a number of points, such as 20, or the word column, not "
TOTAL = Kind({value: f"{_POINTS}'{value}'" for value in ("", "abc", "0", "-1", "nan", "1.005", "Column")})
DEVICE = Kind({value: f"such as cuda:1, not '{value}'" for value in ("", "gpu", "cuda:", "meta")})
TEXT = Kind({"": "must not be empty, but is ''", " ": "must not be empty, but is ' '"})
ALL_TEXT = Kind({})

TRAINING: dict[str, Kind] = {
    "--data": IMAGES,
    "--epochs": COUNT,
    "--batch-size": COUNT,
    "--lr": RATE,
    "--z-dim": COUNT,
    "--features": COUNT,
    "--limit": COUNT,
    "--seed": SEED,
    "--device": DEVICE,
    "--k": COUNT,
    "--ll-images": COUNT,
    "--out": PATH,
}

TABLE: dict[str, dict[str, Kind]] = {
    "python -m grader grade": {
        "FILE": FILE_OR_FOLDER,
        "-m": TEXT,
        "--offering": FILE,
        "--results": PATH,
        "--report": PATH,
        "--seed": ANY_NUMBER,
        "--data": IMAGES,
        "--sandbox": _choice(*SANDBOXES),
        "--checks": FOLDER,
    },
    "python -m grader watch": {
        "FILE": FILE,
        "-m": TEXT,
        "--offering": FILE,
        "--seed": ANY_NUMBER,
        "--data": IMAGES,
        "--sandbox": _choice(*SANDBOXES[:-1]),
    },
    "python -m grader class": {
        "SUBMISSIONS_DIR": FOLDER,
        "--out": PATH,
        "--jobs": COUNT,
        "--scheduler": TEXT,
        "-m": TEXT,
        "--roster": FILE,
        "--title": TEXT,
        "--compare": PATH,
        "--offering": FILE,
        "--secret-file": FILE,
        "--data": IMAGES,
        "--sandbox": _choice(*SANDBOXES[:-1]),
        "--checks": FOLDER,
    },
    "python -m grader export": {
        "DIR": PATH,
        "--format": _choice("canvas", "csv", "moodle"),
        "--roster": FILE,
        "--out": PATH,
        "--feedback": PATH,
        "--assignment": TEXT,
        "--id-column": TEXT,
        "--grade-column": TEXT,
        "--timezone": TEXT,
        "--missing": _choice("keep", "zero"),
        "--due": TEXT,
        "--by-hand": FILE,
        "--scale-to": TOTAL,
        "--offering": FILE,
        "--checks": FOLDER,
    },
    "python -m grader release": {"--out": PATH, "--offering": FILE, "--secret-file": FILE, "--checks": FOLDER},
    "python -m grader doctor": {"--sandbox": _choice(*SANDBOXES[:-1])},
    "python -m grader.platforms.classroom": {"--submission": PATH, "--report": PATH},
    "python -m grader.platforms.gradescope": {"ROOT": PATH},
    "python -m grader.platforms.gradescope_setup": {"ROOT": PATH},
    "python -m grader.platforms.prairielearn": {"ROOT": PATH},
    "python -m grader.platforms.autolab": {"JOB": PATH},
    "python -m assignment": TRAINING,
    "python -m solution": TRAINING,
    "python -m solution.skeleton": {"--offering": FILE, "--out": PATH},
    "python -m data sample": {"--out": PATH, "--seed": SEED, "--train": COUNT, "--test": COUNT},
    "python -m data compare": {"source": IMAGES},
    "python -m data sheet": {"source": IMAGES, "--out": PATH},
    "python -m tests.calibrate": {
        "--seeds": COUNT_OR_NONE,
        "--each": COUNT_OR_NONE,
        "--only": ALL_TEXT,
        "--entries": ALL_TEXT,
        "--jobs": COUNT,
    },
    "python -m tests.zoo": {
        "wrong|equivalent|mutants": Kind(
            {value: f"must be one of wrong, equivalent, mutants, not '{value}'" for value in ("", "zoo")}
        ),
        "--only": ALL_TEXT,
        "--offering": FILE,
        "--seeds": COUNT,
    },
    "python -m tests.margins": {"--data": IMAGES, "--seeds": COUNT, "--only": ALL_TEXT},
}
PYTEST: dict[str, Kind] = {
    "--submission": PATH,
    "--offering": FILE,
    "--results": PATH,
    "--report": PATH,
    "--seed": ANY_NUMBER,
    "--data": IMAGES,
    "--sandbox": Kind(dict.fromkeys(("", "castle"), "in-process, not '")),
    "--hints": Kind(dict.fromkeys(("", "many"), "must be one of full, short, none, not '")),
    "--lanes": _whole(" from 1 to 2", "0", "3"),
}


def _assignment(argv: list[str]) -> int:
    assignment.settings.parser("python -m assignment").parse_args(argv)
    return 0


def _by_its_argv(main: Callable[[], int]) -> Callable[[list[str]], int]:
    def run(argv: list[str]) -> int:
        with mock.patch.object(sys, "argv", [PROGRAM, *argv]):
            return main()

    return run


MAINS: dict[str, Callable[[list[str]], int]] = {
    "python -m grader": grader.__main__.main,
    "python -m grader.platforms.classroom": classroom.main,
    "python -m grader.platforms.gradescope": lambda argv: gradescope.main([PROGRAM, *argv]),
    "python -m grader.platforms.gradescope_setup": lambda argv: gradescope_setup.main([PROGRAM, *argv]),
    "python -m grader.platforms.prairielearn": prairielearn.main,
    "python -m grader.platforms.autolab": autolab.main,
    "python -m assignment": _assignment,
    "python -m solution": solution.__main__.main,
    "python -m solution.skeleton": _by_its_argv(solution.skeleton.main),
    "python -m data": data.__main__.main,
    "python -m tests.calibrate": _by_its_argv(calibrate.main),
    "python -m tests.zoo": _by_its_argv(zoo.main),
    "python -m tests.margins": _by_its_argv(margins.main),
}


class Caught(BaseException):
    """Carries the parser of a command out of it."""


def parser_of(main: Callable[[list[str]], int]) -> argparse.ArgumentParser:
    def catch(self: argparse.ArgumentParser, *_: Any) -> None:
        raise Caught(self)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", catch), pytest.raises(Caught) as caught:
        main([])
    return caught.value.args[0]


def options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.Action]]:
    """Yield (command, option, action) of each option with a value."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from options_of(command)
        elif action.nargs != 0:
            name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
            yield parser.prog, name, action


class Options:
    """Stands for pytest's parser, and keeps the options that are registered."""

    def __init__(self) -> None:
        self.kinds: dict[str, Callable[[str], Any]] = {}

    def getgroup(self, *_: str) -> "Options":
        return self

    def addoption(self, name: str, **options: Any) -> None:
        if "action" not in options:
            self.kinds[name] = options["type"]


def pytest_options() -> dict[str, Callable[[str], Any]]:
    options = Options()
    plugin.pytest_addoption(options)  # type: ignore[arg-type]
    return options.kinds


ALL = [(prog, name, action) for main in MAINS.values() for prog, name, action in options_of(parser_of(main))]


# ## The table is complete
def test_each_option_of_each_command_is_in_the_table() -> None:
    found: dict[str, set[str]] = {}
    for prog, name, _ in ALL:
        found.setdefault(prog, set()).add(name)
    assert found == {prog: set(kinds) for prog, kinds in TABLE.items()}
    assert set(pytest_options()) == set(PYTEST)


def test_each_command_reads_its_options_in_the_same_way() -> None:
    assert all(type(parser_of(main)) is Parser for main in MAINS.values())
    rooms = [ROOT / room for room in ("assignment", "solution", "grader", "data", "tests/benchmarks")]
    own = [f.name for room in rooms for f in room.rglob("*.py") if "ArgumentParser(" in f.read_text(encoding="utf-8")]
    assert not own


# ## What is refused
@pytest.mark.parametrize(("prog", "name"), [(prog, name) for prog, kinds in TABLE.items() for name in kinds])
def test_a_wrong_value_is_answered_in_one_line_with_the_option_and_what_is_allowed(
    capsys: pytest.CaptureFixture[str], prog: str, name: str
) -> None:
    main, command = next(
        (MAINS[key], prog.removeprefix(key).split()) for key in MAINS if f"{prog} ".startswith(f"{key} ")
    )
    for value, words in TABLE[prog][name].wrong.items():
        given = [name, value] if re.fullmatch("-[a-z]", name) else [f"{name}={value}"] if name[0] == "-" else [value]
        with pytest.raises(SystemExit) as ended:
            main([*command, *given])
        said = capsys.readouterr()
        assert (ended.value.code, said.out) == (2, ""), f"{name}={value!r}"
        assert said.err.startswith(f"{prog}: ") and said.err.endswith(f"; see {prog} --help\n")
        _check_line(said.err.removesuffix("\n"), name, words)


@pytest.mark.parametrize("name", PYTEST)
def test_pytest_answers_a_wrong_value_in_the_same_words(name: str) -> None:
    for value, words in PYTEST[name].wrong.items():
        with pytest.raises(pytest.UsageError) as refused:
            pytest_options()[name](value)
        _check_line(str(refused.value), name, words)


def _check_line(line: str, name: str, words: str) -> None:
    assert name in line and words in line
    assert line.isprintable() and len(line) < 320
    assert not re.search(r"invalid \w+ value|(?<![\w-])_\w|Traceback|Error\b", line), line


def test_pytest_prints_that_line_and_no_usage() -> None:
    command = [sys.executable, "-m", "pytest", "grader/", "--seed=x", "--data=sample"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    said = (done.stdout + done.stderr).strip()
    assert said.startswith("ERROR: --seed: ") and said.endswith(" 'x'") and "\n" not in said


@pytest.mark.parametrize("expression", ["kll", "kl and nll", "kl or", "("])
def test_a_selection_of_nothing_is_refused_before_anything_is_graded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    import os

    monkeypatch.setattr(os, "environ", dict(os.environ))  # the command changes it for good
    assert grader.__main__.main(["grade", str(ROOT / "solution" / "VAE_Model.py"), "-m", expression]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "tasks are encoder, decoder" in said.err and not said.out


# ## Home folders
def test_every_path_begins_at_home_where_it_begins_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    kinds = [(f"{prog} {name}", TABLE[prog][name], action.type) for prog, name, action in ALL]
    kinds += [(f"pytest {name}", PYTEST[name], convert) for name, convert in pytest_options().items()]
    for name, kind, convert in kinds:
        if kind.path:
            assert callable(convert)
            here = "folder" if kind is FOLDER else "file"
            assert str(convert(f"~/{here}")) == str(tmp_path / here), name
            assert str(convert(str(tmp_path / here))) == str(tmp_path / here), name


def test_a_folder_that_is_called_tilde_is_reached_by_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = GradingOptions(Path("~") / "a.py", results=Path("~r.json")).arguments()
    assert "--submission=./~/a.py" in given and "--results=./~r.json" in given
    assert pytest_options()["--submission"]("./~/a.py") == Path("~/a.py")


@pytest.mark.parametrize(
    ("modules", "missing"),
    [
        ("grader.plugin, data.commandline", ["torch"]),
        ("grader.platforms.gradescope, grader.platforms.classroom", ["torch", "pytest", "psutil"]),
    ],
)
def test_options_are_read_before_packages_are_needed(modules: str, missing: list[str]) -> None:
    """So that a missing one can be named, and a platform gets a result all the same."""
    code = f"import sys, {modules}; assert not set({missing}) & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_benchmarks_are_commands_of_the_same_kind() -> None:
    for name in benchmarks.NAMES:
        text = (ROOT / "tests" / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        assert "Parser(" in text and "type=int" not in text, name

"""Make what students get from what an instructor has: the skeleton and the handout of an offering.

`python -m solution.skeleton` writes both into assignment/; with `--check`, it only compares.
"""

import ast
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.commandline import Parser, file, path, print_everywhere
from grader.judge.given import FINGERPRINTS, fingerprints, functions
from grader.judge.offering import OFFERING, Offering, OfferingError, load_offering
from solution.handout import HANDOUT, handout

REFERENCE = Path(__file__).with_name("VAE_Model.py")
FOLDER = REFERENCE.parents[1] / "assignment"
SKELETON = FOLDER / "VAE_Model.py"

_REGION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n", re.MULTILINE | re.DOTALL)
_TASK = re.compile(r"^( *)# ## Task `(\w+)`\n", re.MULTILINE)
_MARK = re.compile(r"### (?:BEGIN|END) SOLUTION")


@dataclass(frozen=True)
class Answer:
    """An answer in the reference.

    Attributes:
        task: The task in the heading above it.
        code: Its lines, without the marks.
        line: The number of its first line, counted from 1.
    """

    task: str
    code: str
    line: int


def answers(reference: str) -> Iterator[Answer]:
    """Yield the answers of the reference, in the order of the file.

    Args:
        reference: Source with answers between `### BEGIN SOLUTION` and `### END SOLUTION` (nbgrader's marks), each
            below a heading "# ## Task `id`".

    Raises:
        ValueError: An answer has no heading above it, or a mark has no matching mark.
    """
    for region in _REGION.finditer(reference):
        if nested := _MARK.search(region[2]):
            line = _line(reference, region.start(2) + nested.start())
            raise ValueError(f"unmatched mark above line {line}: its answer has no end mark")
        headings = _TASK.findall(reference, 0, region.start())
        if not headings:
            raise ValueError(f"no task heading above the answer:\n{region[0]}")
        yield Answer(headings[-1][1], region[2], _line(reference, region.start(2)))
    if mark := _MARK.search(rest := _REGION.sub("", reference)):
        raise ValueError(f"unmatched mark near line {_line(rest, mark.start())}: {mark[0]}")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def skeleton(reference: str, offering: Offering) -> str:
    """Return the source of the skeleton of an offering.

    Each answer that is to be written is replaced by a TODO with the id of its task. All other answers stay. The
    headings of given tasks say so, and tasks that are off have none.

    Raises:
        ValueError: As in `answers`.
    """
    every = answers(reference)

    def todo(region: re.Match[str]) -> str:
        task = next(every).task
        written = task in offering.graded
        return f'{region[1]}raise NotImplementedError("TODO: {task}")\n' if written else region[2]

    def heading(found: re.Match[str]) -> str:
        margin, task = found.groups()
        part = offering.parts.get(task, "write")
        return {"write": found[0], "given": f"{margin}# ## Given: `{task}`\n", "off": ""}[part]

    source = _REGION.sub(todo, reference)
    list(every)  # checks the marks after the last answer
    return _TASK.sub(heading, source)


def fingerprints_of_answers(reference: str) -> str:
    """Return the text of given.json: for each task, the functions with its answers and a hash of each."""
    found, hashes = defaultdict[str, dict[str, str]](dict), fingerprints(reference)
    for answer in answers(reference):
        for name, node in functions(ast.parse(reference)):
            if node.lineno <= answer.line <= (node.end_lineno or 0):
                found[answer.task][name] = hashes[name]
    return json.dumps(found, indent=1) + "\n"


def made(offering: Offering, folder: Path = FOLDER) -> dict[Path, str]:
    """Return the text of each file that is made for an offering, by path.

    Args:
        offering: The offering.
        folder: Where skeleton and handout belong.

    Raises:
        ValueError: As in `answers`.
        OSError: The reference or the template of the handout cannot be read.
    """
    reference = REFERENCE.read_text(encoding="utf-8")
    lines = [line for a in answers(reference) if a.task in offering.graded for line in a.code.splitlines()]
    return {
        folder / SKELETON.name: skeleton(reference, offering),
        folder / HANDOUT.name: handout(offering, lines=sum(bool(line.strip()) for line in lines)),
        FINGERPRINTS: fingerprints_of_answers(reference),
    }


def main() -> int:
    """Write the files, or compare them with --check; return 0, or 1 if one is out of date, or 2 after an error."""
    print_everywhere()
    parser = Parser(prog="python -m solution.skeleton", description=__doc__)
    parser.add_argument(
        "--offering", type=file, default=OFFERING, metavar="FILE", help="tasks and points [grader/offering.toml]"
    )
    parser.add_argument("--out", type=path, default=FOLDER, metavar="FOLDER", help="output folder [assignment/]")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    arguments = parser.parse_args()
    try:
        texts = made(load_offering(arguments.offering), arguments.out)
        stale = [each for each, text in texts.items() if not each.exists() or each.read_text(encoding="utf-8") != text]
        if arguments.check:
            for each in stale:
                print(f"{each.name} does not match the reference and the offering: run {parser.prog}")
            return int(bool(stale))
        arguments.out.mkdir(parents=True, exist_ok=True)
        for each in stale:
            each.write_text(texts[each], encoding="utf-8", newline="\n")
    except OfferingError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}; choose another folder with --out")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Create the student's skeleton from the reference: `python -m solution.skeleton` (`--check` only compares)."""

import re
import sys
from pathlib import Path

from data.commandline import Parser, print_everywhere

REFERENCE = Path(__file__).with_name("VAE_Model.py")
SKELETON = REFERENCE.parents[1] / "assignment" / "VAE_Model.py"

_REGION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n", re.MULTILINE | re.DOTALL)
_TASK = re.compile(r"# ## Task `(\w+)`")
_MARK = re.compile(r"### (?:BEGIN|END) SOLUTION")


def skeleton(reference: str) -> str:
    """Return the source of the skeleton: each answer is replaced by a TODO with the id of its task.

    Args:
        reference: Source with answers between `### BEGIN SOLUTION` and `### END SOLUTION` (nbgrader's marks), each
            below a heading "# ## Task `id`".

    Raises:
        ValueError: An answer has no heading above it, or a mark has no matching mark.
    """

    def todo(region: re.Match[str]) -> str:
        if nested := _MARK.search(region[2]):
            line = reference.count("\n", 0, region.start(2) + nested.start()) + 1
            raise ValueError(f"unmatched mark above line {line}: its answer has no end mark")
        headings = _TASK.findall(reference, 0, region.start())
        if not headings:
            raise ValueError(f"no task heading above the answer:\n{region[0]}")
        return f'{region[1]}raise NotImplementedError("TODO: {headings[-1]}")\n'

    source = _REGION.sub(todo, reference)
    if mark := _MARK.search(source):
        line = source.count("\n", 0, mark.start()) + 1
        raise ValueError(f"unmatched mark near line {line}: {mark[0]}")
    return source


def main() -> int:
    """Write the skeleton, or compare it with --check; return 0, or 1 if it is out of date."""
    print_everywhere()
    parser = Parser(prog="python -m solution.skeleton", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the skeleton is out of date")
    arguments = parser.parse_args()
    text = skeleton(REFERENCE.read_text(encoding="utf-8"))
    if arguments.check:
        if SKELETON.exists() and SKELETON.read_text(encoding="utf-8") == text:
            return 0
        print(f"{SKELETON.name} does not match the reference: run python -m solution.skeleton")
        return 1
    SKELETON.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Start the grader of this project from any folder."""

import runpy
import sys
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Run `python -m grader` of the project with the same arguments; ends with its exit status."""
    if not (_PROJECT / "grader" / "plugin.py").is_file():
        print(
            "python -m grader: this is a copy without the project: use `pip install -e .` in the project",
            file=sys.stderr,
        )
        sys.exit(2)
    for name in ("grader", "grader.__main__"):  # this package
        sys.modules.pop(name, None)
    sys.path.insert(0, str(_PROJECT))
    runpy.run_module("grader", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

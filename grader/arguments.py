"""The arguments of pytest with which the checks run, whatever folder they are called from and whoever calls."""

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
_MORE_ARGUMENTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


def environment() -> dict[str, str]:
    """Return the environment in which pytest heeds these arguments alone: somebody's `-x` would cost a class points."""
    kept = {name: value for name, value in os.environ.items() if name not in _MORE_ARGUMENTS}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def checks() -> list[str]:
    """Return the checks and their configuration, from this project alone and never from beside a submission."""
    configuration = [f"--rootdir={ROOT}", f"--config-file={ROOT / 'setup.cfg'}"]
    # Nothing is kept beside a submission; and no log is captured: nobody writes one, and it costs a tenth of a second.
    return [str(FOLDER), *configuration, "-p", "no:cacheprovider", "-p", "no:logging"]


def grading(
    file: Path | str,
    *,
    seed: int,
    data: str,
    sandbox: str,
    results: Path | str | None = None,
    tasks: str | None = None,
    offering: Path | str | None = None,
    lanes: int | None = None,
) -> list[str]:
    """Return the arguments that grade one file.

    Args:
        file: The submission.
        seed: What all inputs are drawn from.
        data: Images of the training task.
        sandbox: How the submission is kept apart.
        results: Where results.json goes.
        tasks: Only these, as in pytest's -m.
        offering: Points and limits; None for the grader's own.
        lanes: Sandboxes at work at the same time; None for the grader's own choice.
    """
    return [
        *checks(),
        f"--submission={file}",
        f"--seed={seed}",
        f"--data={data}",
        f"--sandbox={sandbox}",
        *([f"--results={results}"] if results else []),
        *(["-m", tasks] if tasks else []),
        *([f"--offering={offering}"] if offering else []),
        *([f"--lanes={lanes}"] if lanes else []),
    ]

"""Start as a zygote that forks workers (`zygote FD SETTINGS`), or serve tasks without fork (`unforked SETTINGS`).

A class run starts it as a parent that forks zygotes (`parent FD SETTINGS`).

The file is run by its path with `python -I`. No part of the project stays on the import path, so the program registers
the package itself.
"""

import contextlib
import importlib.util
import json
import sys
from pathlib import Path


def _make_package() -> None:
    """Make this folder, and nothing next to it, importable as the package `worker`."""
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "worker", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["worker"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["worker"])


def _leave_out_the_project() -> None:
    """Remove the folders of the project from the import path, where an editable install may have put them.

    A virtual environment inside the project stays. In bubblewrap, the program is in another folder, and there is
    nothing to remove.
    """
    grader = Path(__file__).resolve().parents[1]
    ours = [entry for entry in sys.path if Path(entry) == grader.parent or Path(entry).is_relative_to(grader)]
    if grader.name == "grader":
        sys.path[:] = [entry for entry in sys.path if entry not in ours]


def _offer_to_the_oom_killer() -> None:
    """If the machine or container runs out of memory, let it kill this process or its children before the judge."""
    with contextlib.suppress(OSError):  # macOS and Windows have no such file
        Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")


def main() -> None:
    """Run as a zygote or as one worker, depending on the first argument."""
    _offer_to_the_oom_killer()
    _make_package()
    _leave_out_the_project()
    if sys.argv[1] == "parent":
        from worker.parent import run_parent  # type: ignore[import-not-found]

        run_parent(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "zygote":
        from worker.zygote import run_zygote  # type: ignore[import-not-found]

        run_zygote(int(sys.argv[2]), sys.argv[3])
    else:
        settings = json.loads(sys.argv[2])
        sys.path += [folder for folder in settings["packages"] if folder not in sys.path]
        from worker.unforked import run_unforked  # type: ignore[import-not-found]

        run_unforked(settings["preload"], settings["trace"])


if __name__ == "__main__":
    main()

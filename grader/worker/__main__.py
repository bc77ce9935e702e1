"""Start as a zygote that forks workers (`zygote FD SETTINGS`), or as one worker on the standard streams (`once ...`).

The file is run by its path with `python -I`. No part of the project stays on the import path, so the program registers
the package itself.
"""

import contextlib
import importlib.util
import json
import os
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


def _once(packages: list[str], trace_fd: int | None) -> None:
    """Serve one task on standard input and output; the student's code cannot use these two streams any more.

    Args:
        packages: Folders of packages, in addition to those that Python searches by itself.
        trace_fd: Descriptor for the stack trace of a worker that exceeds its time; None for no trace.
    """
    sys.path += [folder for folder in packages if folder not in sys.path]
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # the student's output goes to standard error, which the judge logs
    from worker import wire  # type: ignore[import-not-found]
    from worker.serve import serve  # type: ignore[import-not-found]
    from worker.zygote import reopen_streams, trace_on_signal  # type: ignore[import-not-found]

    reopen_streams()
    trace_on_signal(trace_fd)
    request = wire.read(reader)  # the answer shows that torch has been imported
    wire.write(writer, wire.Message({"id": request.header["id"]}))
    serve(reader, writer)


def main() -> None:
    """Run as a zygote or as one worker, depending on the first argument."""
    _offer_to_the_oom_killer()
    _make_package()
    _leave_out_the_project()
    if sys.argv[1] == "zygote":
        from worker.zygote import run_zygote

        run_zygote(int(sys.argv[2]), sys.argv[3])
    else:
        _once(json.loads(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)


if __name__ == "__main__":
    main()

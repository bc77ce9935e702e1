"""Start as a zygote that forks workers (`zygote FD SETTINGS`), or serve tasks without fork (`unforked SETTINGS`).

The file is run by its path with `python -I`. No part of the project is on the import path, so the program registers
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


def _offer_to_the_oom_killer() -> None:
    """If the machine or container runs out of memory, let it kill this process or its children before the judge."""
    with contextlib.suppress(OSError):  # macOS and Windows have no such file
        Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")


def _unforked(described: str) -> None:
    """Serve tasks on standard input and output; the student's code cannot use these two streams any more.

    Args:
        described: The settings, as JSON: `packages` and `preload` as for a zygote; `trace`, the descriptor for the
            stack trace of a worker that exceeds its time, or None.
    """
    settings = json.loads(described)
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # the student's output goes to standard error, which the judge logs
    sys.path += [folder for folder in settings["packages"] if folder not in sys.path]
    from worker import wire  # type: ignore[import-not-found]
    from worker.unforked import serve_tasks  # type: ignore[import-not-found]
    from worker.zygote import warm_up  # type: ignore[import-not-found]

    warm_up(settings["preload"])
    request = wire.read(reader)  # the answer shows that torch has been imported
    wire.write(writer, wire.Message({"id": request.header["id"]}))
    with contextlib.suppress(EOFError):
        serve_tasks(reader, writer, settings["trace"])
    os._exit(0)  # a normal exit takes half a second after torch has been imported


def main() -> None:
    """Run as a zygote or as one worker, depending on the first argument."""
    _offer_to_the_oom_killer()
    _make_package()
    if sys.argv[1] == "zygote":
        from worker.zygote import run_zygote

        run_zygote(int(sys.argv[2]), sys.argv[3])
    else:
        _unforked(sys.argv[2])


if __name__ == "__main__":
    main()

"""Removing a folder whose content a stranger's code has written."""

import contextlib
import shutil
import stat
import subprocess
from pathlib import Path


def remove(folder: Path) -> None:
    """Remove a folder, whatever the permissions and however deep what lies in it; what cannot be removed stays."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    with contextlib.suppress(OSError, RecursionError):
        for path in (folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())):
            path.chmod(stat.S_IRWXU)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and (rm := shutil.which("rm")):  # Python gives up a thousand folders deep
        subprocess.run([rm, "-rf", "--", str(folder)], check=False, capture_output=True)

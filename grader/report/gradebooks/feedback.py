"""Zips of reports for bulk return: each file is called so that Canvas or Moodle finds the student."""

import io
import re
import zipfile
from collections.abc import Mapping

from ..text import harmless

# name_[late_]student_[submission_]file: what Canvas puts into the zip of all submissions, with LATE in any letters.
CANVAS = re.compile(
    r"(?P<ours>(?P<name>[^_]+?)(?:[_ ](?P<late>late))?_(?P<id>\d+)_(?P<number>\d+_)?)(?P<file>.+)",
    re.DOTALL | re.IGNORECASE,
)
_PATHS = re.compile(r'[/\\:*?"<>|]')  # what a name in a zip must not hold on some system
_REPORT = "report.html"


def canvas_name(entry: str) -> str | None:
    """Return what a report is called beside the file that Canvas knows: the same name up to the file's own.

    Returns:
        None for an entry that did not come from Canvas.
    """
    match = CANVAS.fullmatch(entry)
    return _plain(match["ours"]) + _REPORT if match else None


def moodle_name(full_name: str, participant: str) -> str:
    """Return where a report lies in a zip that Moodle takes back: in the folder that Moodle's own zips have."""
    return f"{_plain(full_name.replace('_', ' '))}_{participant}_assignsubmission_file_/{_REPORT}"


def _plain(name: str) -> str:
    return _PATHS.sub("", harmless(name)).replace("\n", " ").replace("\t", " ").strip(". ") or "student"


def zipped(files: Mapping[str, str]) -> bytes:
    """Return a zip of texts by name; the same texts give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()

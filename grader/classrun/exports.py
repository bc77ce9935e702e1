"""Whose submission an entry is: as the exports of Gradescope and Canvas tell, or a roster of the instructor's own."""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .names import stem

GRADESCOPE = "submission_metadata.yml"

# lastnamefirst_[LATE_]student_submission_file: what Canvas puts into the zip of all submissions.
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_(?:\d+_.+|VAE_Model.*)", re.DOTALL)


class ExportError(ValueError):
    """A roster or an export's own list is unusable; the message names the line."""


def students(entries: Sequence[Path], roster: Mapping[str, str], metadata: Mapping[str, list[str]]) -> list[str]:
    """Return the student's id for each entry, or its name without extension where nothing tells more.

    Args:
        entries: Files, folders and archives.
        roster: Of `read_roster`.
        metadata: Of `read_gradescope`.
    """
    canvas = _canvas([entry.name for entry in entries])
    owners = []
    for entry in entries:
        own = entry.name if entry.is_dir() else stem(entry.name)
        told = metadata.get(entry.name) or ([canvas[entry.name]] if entry.name in canvas else [])
        listed = next((roster[key] for key in (entry.name, own, *told) if key in roster), None)
        owners.append(listed or "_".join(told) or own)
    return owners


def _canvas(names: Sequence[str]) -> dict[str, str]:
    """Return the ids in names of Canvas's form, unless two students share one: then the numbers are no ids."""
    found = {name: match for name in names if (match := _CANVAS.fullmatch(name))}
    owners: dict[str, set[str]] = defaultdict(set)
    for match in found.values():
        owners[match["id"]].add(match["name"])
    return {name: match["id"] for name, match in found.items() if len(owners[match["id"]]) == 1}


def read_gradescope(folder: Path) -> dict[str, list[str]]:
    """Return the submitters of each folder of a Gradescope export: their ids, or mail addresses, or names.

    Returns nothing for a folder that is no such export.

    Raises:
        ExportError: Its `submission_metadata.yml` is unusable.
    """
    path = folder / GRADESCOPE
    if not path.is_file():
        return {}
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads what it does not know as nothing: the file is written by Ruby. In C it is ten times as fast."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise ExportError(f"{path}{where}: cannot be read: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict):
        raise ExportError(f"{path}, line 1: a table of submissions is expected")
    return {str(name): [_id(s) for s in _submitters(entry)] for name, entry in content.items()}


def _submitters(entry: Any) -> list[Any]:
    found = entry.get(":submitters") or entry.get("submitters") if isinstance(entry, dict) else None
    return [s for s in found if isinstance(s, dict) and _id(s)] if isinstance(found, list) else []


def _id(submitter: Mapping[str, Any]) -> str:
    values = (submitter.get(f"{colon}{key}") for key in ("sid", "email", "name") for colon in (":", ""))
    return next((str(value) for value in values if value not in (None, "")), "")


def read_roster(path: Path) -> dict[str, str]:
    """Return the id of each submission that a roster lists.

    A roster is a CSV file with a header. Its column `submission` names the entry, with or without extension, or the
    id or mail address that an export gave; its column `id` is the name that the row of grades.csv gets. Further
    columns are left out of account.

    Raises:
        ExportError: It cannot be read, a column is missing, or a line is blank in one, or repeats another.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: cannot be read: {error}") from None
    reader = csv.DictReader(text.splitlines(), strict=True)
    found: dict[str, str] = {}
    lines: dict[tuple[str, str], int] = {}
    try:
        reader.fieldnames = [(name or "").strip().lower() for name in reader.fieldnames or []]
        for column in ("submission", "id"):
            if column not in reader.fieldnames:
                raise ExportError(f"{path}, line 1: no column `{column}`; a roster has `submission` and `id`")
        for row in reader:
            cells = {column: (row.get(column) or "").strip() for column in ("submission", "id")}
            for column, cell in cells.items():
                if not cell:
                    raise ExportError(f"{path}, line {reader.line_num}: no {column}")
                if (column, cell) in lines:
                    first = lines[column, cell]
                    raise ExportError(f"{path}, line {reader.line_num}: {column} {cell!r} stands in line {first} too")
                lines[column, cell] = reader.line_num
            found[cells["submission"]] = cells["id"]
    except csv.Error as error:
        raise ExportError(f"{path}, line {reader.reader.line_num}: {error}") from None
    return found

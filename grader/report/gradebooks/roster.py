"""What all rosters have in common, whichever system wrote them: a person in each line."""

from dataclasses import dataclass

from ..cells import safe_cell
from ..submissions import System
from ..tables import Row

ZERO = "0.00"


@dataclass(frozen=True)
class Person:
    """A student of a roster.

    Attributes:
        row: The line.
        name: As the roster has it.
        ids: Ids, logins and mail addresses.
        system: Whose roster it is.
        number: The student's number in that system; empty if the roster does not tell.
        submitted: When the student handed in, in that system's words and without a zone; empty if it does not tell.
    """

    row: Row
    name: str = ""
    ids: tuple[str, ...] = ()
    system: System = ""
    number: str = ""
    submitted: str = ""

    def called(self) -> str:
        """Return what tells an instructor who this is."""
        return self.name or next(iter(self.ids), "") or f"line {self.row.line}"


def kept(cell: str) -> str:
    """Return a cell of a roster as it goes back: as it was, unless a spreadsheet would run it.

    A number is no formula, whatever its sign, nor is the dash that systems write for nothing.
    """
    number = cell.strip().removeprefix("-").replace(".", "", 1).replace(",", "", 1)
    if number.isdecimal() or cell.strip() == "-":
        return cell
    safe = safe_cell(cell)
    return cell if safe == cell.replace("\r\n", " ").replace("\n", " ").replace("\t", " ") else safe

"""Names of submissions: unique, and harmless as a folder name, in a spreadsheet cell and in a file of any system."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_ENDINGS = (".tar.gz", ".tgz", ".zip", ".py", ".py.txt")
_LONGEST = 120  # bytes: file systems allow 255, and a path has more than one name
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows opens these as devices


def stem(name: str) -> str:
    """Return a file's name without its extension: `.py`, `.zip`, `.tar.gz`, `.tgz`, or what follows the last dot."""
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name.rpartition(".")[0] or name


def harmless(name: str) -> str:
    """Return a name with every letter, digit and accent kept, and `_` for all that could do harm somewhere.

    It is no path, begins with no formula sign and no dot, ends with no dot or blank, and is neither empty nor too long.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join(c if c in "-_. " or unicodedata.category(c)[0] in "LMN" else "_" for c in text)
    text = re.sub(r"^[-. ]+", "_", text).rstrip(". ")
    while len(text.encode()) > _LONGEST:
        text = text[:-1].rstrip(". ")
    if not text.strip("_"):
        return f"submission{text}"
    return f"_{text}" if _DEVICES.fullmatch(text) else text


def unique(names: Sequence[str], reserved: Iterable[str] = ()) -> list[str]:
    """Return harmless names, none of them twice, also where capital letters are not told apart.

    The first of several keeps its name, the others get `-2`, `-3`, ...: the same names in the same order always become
    the same.

    Args:
        names: As they came.
        reserved: Names that none may have.
    """
    bases = [harmless(name) for name in names]
    taken = {_key(name) for name in [*bases, *reserved]}
    free = {_key(base) for base in bases} - {_key(name) for name in reserved}
    given = []
    for base in bases:
        name, number = base, 1
        if _key(base) in free:
            free.remove(_key(base))
        else:
            while _key(name) in taken:
                number += 1
                name = f"{base}-{number}"
            taken.add(_key(name))
        given.append(name)
    return given


def _key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()

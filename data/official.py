"""SVHN's official files: which they are, whether they are here, and how to get them."""

import hashlib
import http.client
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from data.house_numbers import DataError

FOLDER = Path(__file__).parent / "svhn"
SITE = "http://ufldl.stanford.edu/housenumbers/"
STALLED_SECONDS = 60.0  # a connection that is silent for so long is given up


@dataclass(frozen=True)
class OfficialFile:
    """What a file must be to be SVHN's."""

    name: str
    size: int
    md5: str


OFFICIAL: dict[str, OfficialFile] = {
    "train": OfficialFile("train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": OfficialFile("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
}


def find(split: str, folder: Path) -> Path:
    """Return the official file of a split, checked by its size, which takes no time.

    Raises:
        DataError: It is not there, or has another size than SVHN's.
    """
    official = OFFICIAL[split]
    path = folder / official.name
    if not path.is_file():
        raise DataError(f"{path}: SVHN has not been fetched; run: python -m data fetch")
    size = path.stat().st_size
    if size != official.size:
        raise DataError(f"{path}: {size:,} bytes, not SVHN's {official.size:,}; run again: python -m data fetch")
    return path


def fetch(split: str, folder: Path) -> bool:
    """Fetch the official file of a split with torchvision, unless it is here already; return whether it was fetched.

    The file arrives in a temporary folder and gets its place only when its md5 is right, so that a broken connection
    leaves nothing behind.

    Raises:
        DataError: There is no connection, it broke, or what came is not SVHN's file.
    """
    official = OFFICIAL[split]
    path = folder / official.name
    if _is_official(path, official):
        return False
    from torchvision.datasets import SVHN

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as arriving:
            SVHN(root=arriving, split=split, download=True)
            arrived = Path(arriving) / official.name
            if not _is_official(arrived, official):
                raise DataError(_by_hand("what came is not SVHN's file", folder))
            arrived.replace(path)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DataError(_by_hand(" ".join(str(error).split()) or type(error).__name__, folder)) from error
    finally:
        socket.setdefaulttimeout(patience)
    return True


def _is_official(path: Path, official: OfficialFile) -> bool:
    """Tell whether a file is SVHN's, to the last bit."""
    if not path.is_file() or path.stat().st_size != official.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == official.md5


def _by_hand(reason: str, folder: Path) -> str:
    """Say what went wrong and how to do without a connection, in one line."""
    files = " and ".join(f"{file.name} ({file.size:,} bytes, md5 {file.md5})" for file in OFFICIAL.values())
    return f"SVHN could not be fetched ({reason}); try again, or place {files} from {SITE} into {folder}"

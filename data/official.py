"""SVHN's official files: their sizes and hashes, where they are stored, and how to download them."""

import hashlib
import http.client
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from data.house_numbers import DataError

FOLDER = Path(__file__).parent / "svhn"
SITE = "http://ufldl.stanford.edu/housenumbers/"
STALLED_SECONDS = 60.0  # time after which a connection without data is closed
NOT_SVHN = "the downloaded file is not SVHN's"


@dataclass(frozen=True)
class OfficialFile:
    """Name, size and hash of an official file."""

    name: str
    size: int
    md5: str


OFFICIAL: dict[str, OfficialFile] = {
    "train": OfficialFile("train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": OfficialFile("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
}


def find(split: str, folder: Path) -> Path:
    """Return the official file of a split; for speed, only its size is checked.

    Raises:
        DataError: The file does not exist, or its size is not that of SVHN's file.
    """
    official = OFFICIAL[split]
    path = folder / official.name
    if not path.is_file():
        raise DataError(f"{path}: SVHN has not been downloaded; run: python -m data fetch")
    size = path.stat().st_size
    if size != official.size:
        raise DataError(f"{path}: {size:,} bytes instead of {official.size:,}; download it again: python -m data fetch")
    return path


def fetch(split: str, folder: Path) -> bool:
    """Download the official file of a split with torchvision, unless it exists; return whether it was downloaded.

    The file is downloaded to a temporary folder and moved only if its md5 is right, so a broken connection leaves no
    incomplete file.

    Raises:
        DataError: There is no connection, the connection broke, or the downloaded file is not SVHN's.
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
                raise DataError(_by_hand(NOT_SVHN, folder))
            arrived.replace(path)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DataError(_by_hand(" ".join(str(error).split()) or type(error).__name__, folder)) from error
    finally:
        socket.setdefaulttimeout(patience)
    return True


def _is_official(path: Path, official: OfficialFile) -> bool:
    """Return whether a file is SVHN's, by size and md5."""
    if not path.is_file() or path.stat().st_size != official.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == official.md5


def _by_hand(reason: str, folder: Path) -> str:
    """Return one line with the reason of the failure and instructions for a manual download."""
    files = " and ".join(f"{file.name} ({file.size:,} bytes, md5 {file.md5})" for file in OFFICIAL.values())
    return f"SVHN could not be downloaded ({reason}); try again, or copy {files} from {SITE} into {folder}"

"""Write files atomically: a file is complete or does not exist."""

import errno
import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text (in UTF-8) or bytes atomically: a reader sees either the complete new file or the old one.

    Raises:
        OSError: The file cannot be written, or the path is a folder or a device. An existing file is unchanged.
    """
    if path.exists() and not path.is_file():  # if root replaced /dev/null, the whole machine would be affected
        raise OSError(errno.EINVAL, "it is a folder or a device", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

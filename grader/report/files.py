"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text, in UTF-8, or bytes atomically: whoever reads it sees the whole of it or what was there before.

    Raises:
        OSError: It cannot be written, or is a folder or a device; what was there before is still there.
    """
    if path.exists() and not path.is_file():  # replacing /dev/null, as root, would harm the whole machine
        raise OSError(errno.EINVAL, "it is a folder or a device", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

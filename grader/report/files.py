"""Write files atomically: a file is complete or does not exist."""

import errno
import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """Write text (in UTF-8) or bytes atomically: a reader sees either the complete new file or the old one.

    Args:
        path: The file.
        content: All of it.
        mode: Its permissions, which nobody ever exceeds, not even while it is written; then it is also on disk
            before this returns, so that a secret is not lost. None: as usual, by the umask.

    Raises:
        OSError: The file cannot be written, or the path is a folder or a device. An existing file is unchanged.
    """
    if path.exists() and not path.is_file():  # if root replaced /dev/null, the whole machine would be affected
        raise OSError(errno.EINVAL, "it is a folder or a device", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode & 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)
            if mode is not None:
                stream.flush()
                os.fsync(stream.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

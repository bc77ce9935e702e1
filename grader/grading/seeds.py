"""Official seeds: what a submission is judged with follows from a secret of the offering and from its own content.

Students do not know the secret, so answers recorded under the public seed 0 earn nothing. The derived seed alone is
recorded: it repeats one verdict at home, and is worth nothing for any other file.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "VAE_GRADER_SECRET"
FILE_NAME = "secret"
_LEAST = 16  # characters: less could be guessed from one recorded seed
_BITS = 53  # what every reader of JSON keeps exactly


class SecretError(ValueError):
    """There is no usable secret; the message says what to do."""


def official_seed(secret: bytes, content: bytes) -> int:
    """Return the seed of a submission: the first 53 bits of HMAC-SHA256(secret, content)."""
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _BITS)


def secret_fingerprint(secret: bytes) -> str:
    """Return 8 characters that tell two secrets apart, and nothing else of them."""
    return hmac.new(secret, b"fingerprint", hashlib.sha256).hexdigest()[:8]


def find_secret(environment: Mapping[str, str], file: Path | None = None, home: Path | None = None) -> bytes:
    """Return the secret of the offering: from the environment, else from a file, else from a folder that keeps one.

    Args:
        environment: May hold `VAE_GRADER_SECRET`.
        file: Holds nothing but the secret.
        home: Folder where a secret is made, readable by its owner only, and found again by the next run.

    Raises:
        SecretError: It is too short, given twice, in no place at all, or cannot be read or made.
    """
    if VARIABLE in environment and file:
        raise SecretError(f"two secrets: unset {VARIABLE}, or leave the file {file} out")
    if VARIABLE in environment:
        return _checked(environment[VARIABLE], VARIABLE)
    if file:
        return _checked(_read(file), str(file))
    if home is None:
        raise SecretError(f"no secret: set {VARIABLE}, or name a file that holds one")
    return _checked(_kept(home / FILE_NAME), str(home / FILE_NAME))


def _kept(path: Path) -> str:
    """Return the secret that a folder keeps, made at the first call."""
    if path.exists():
        with contextlib.suppress(OSError):
            path.chmod(0o600)  # a copied folder may have lost it
        return _read(path)
    made = secrets.token_hex(32)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(made + "\n")
            stream.flush()
            os.fsync(stream.fileno())  # seeds that were used must not lose their secret
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise SecretError(f"cannot keep a secret in {path}: {error.strerror}; set {VARIABLE} instead") from None
    return made


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"cannot read the secret in {path}: {error}") from None


def _checked(text: str, where: str) -> bytes:
    secret = text.strip().encode()
    if len(secret) < _LEAST:
        raise SecretError(f"{where}: a secret has at least {_LEAST} characters, for example `openssl rand -hex 32`")
    return secret

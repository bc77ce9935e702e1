"""The setup.cfg of those who receive a part of the repository, made from its own: dependencies are declared once."""

import configparser
import io

from . import files
from .contents import Missing
from .files import File

NAME = "setup.cfg"
_HEADER = (
    "# Installing brings the dependencies, and puts nothing on the import path: run everything from this folder.\n\n"
)
_KEPT = {
    "metadata": ("name", "version", "license", "license_files"),
    "options": ("packages", "py_modules", "python_requires", "install_requires"),
    "tool:pytest": ("minversion", "addopts", "pythonpath"),
}
_CHECKS = "grader"  # what `pytest` alone runs


def of_part(settings: str) -> File:
    """Return setup.cfg for a part of the repository: without what it lacks (tests, extras, settings of developers).

    Args:
        settings: Text of the repository's own.

    Raises:
        Missing: It lacks what is needed.
    """
    whole = configparser.ConfigParser(interpolation=None)
    part = configparser.ConfigParser(interpolation=None)
    try:
        whole.read_string(settings)
        for section, keys in _KEPT.items():
            part[section] = {key: whole[section][key] for key in keys}
    except (configparser.Error, KeyError) as error:
        raise Missing(f"{NAME} cannot be taken apart: {' '.join(str(error).split())} is missing or wrong") from None
    part["tool:pytest"]["testpaths"] = _CHECKS
    stream = io.StringIO()
    part.write(stream)
    lines = [line.rstrip() for line in stream.getvalue().strip().splitlines()]
    return files.of(NAME, (_HEADER + "\n".join(lines) + "\n").encode())

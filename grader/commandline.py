"""What all subcommands of `python -m grader` share: help that keeps its layout, and errors of one line."""

import argparse
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and whose epilog stays as it was written."""

    def __init__(self, *arguments: Any, **options: Any):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)  # an option that comes later must not change what a script means
        super().__init__(*arguments, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and where to read on; exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

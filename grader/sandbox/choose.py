"""Which sandbox `auto` means on this machine. A placeholder: until there are others, a plain process."""


def chosen(name: str) -> str:
    """Return the sandbox that a name of `--sandbox` stands for here.

    Args:
        name: `auto`, or the name of a sandbox.
    """
    return "process" if name == "auto" else name

"""The command: a table of trials, a column for each sandbox."""

import argparse

from grader.commandline import refuse
from grader.sandbox.choose import BEST_FIRST, why_not_started
from grader.sandbox.names import SANDBOXES
from grader.sandbox.zygote import SandboxError

from .examine import Finding, examine
from .trials import TRIALS

_EXAMPLES = """examples:
  python -m grader doctor
  python -m grader doctor --sandbox process

exit status: 0 the sandbox that is used prevents everything, 1 something succeeded in it, 2 it does not work here
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand to the parser of `python -m grader`."""
    parser = commands.add_parser(
        "doctor",
        help="show what this machine's sandboxes prevent, by trying it",
        description="Try to break out of this machine's sandboxes, and show which attempts they prevent.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--sandbox", choices=SANDBOXES[:-1], default="auto", help="only this one [all that work here]")


def main(options: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit status."""
    try:
        return doctor(options.sandbox)
    except SandboxError as error:
        return refuse("doctor", error)


def doctor(sandbox: str = "auto") -> int:
    """Examine the sandboxes that work here, or one, and print what they enforce.

    Args:
        sandbox: `auto` for all that work here.

    Returns:
        0 if the sandbox that `--sandbox=NAME` stands for prevents everything, 1 if something succeeded in it, 2 if it
        does not work here.
    """
    asked = [kind for kind in BEST_FIRST if sandbox in ("auto", kind.name)]
    reasons = {kind.name: why_not_started(kind) for kind in asked}
    best = next((name for name, reason in reasons.items() if not reason), "")
    if not best:
        line = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return refuse("doctor", f"no sandbox works here: {line}")
    for name, reason in reasons.items():
        note = " (the one that is used)" if name == best else ""
        print(f"{name:<12}{'works here' + note if not reason else 'no: ' + reason}")
    names = [name for name, reason in reasons.items() if not reason]
    print(f"\n{'a submission tries to ...':<46}" + "".join(f"{name:<14}" for name in names))
    findings = {name: examine(name) for name in names}
    held = True
    for trial in TRIALS:
        row = {name: next(found) for name, found in findings.items()}
        print(f"{trial.title:<46}" + "".join(f"{_cell(finding):<14}" for finding in row.values()), flush=True)
        held &= row[best].enforced
    for found in findings.values():
        found.close()
    if not held:
        print(f"\nSomething succeeded in `{best}`: grade files of strangers only where you would run them yourself.")
    return 0 if held else 1


def _cell(finding: Finding) -> str:
    return "prevented" if finding.enforced else "SUCCEEDED"

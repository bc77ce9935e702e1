"""How fast is it? `python -m tests.benchmarks NAME [options]`; README.md has the latest tables."""

import importlib
import sys

NAMES = {
    "training": "training on the CPU, beside the loop that tutorials write",
    "gpu": "training on a GPU: the classic loop, the plain loop and the captured step",
    "likelihood": "the importance-sampled log-likelihood, beside the plain loop; memory; error",
    "roofline": "what a training step asks of the machine, and what the machine can do",
    "grading": "`pytest grader/`, beside its floor",
    "watching": "`python -m grader watch`: from saving to the verdict",
    "classrun": "a class run, beside its floor and a loop of `pytest grader/`",
    "growth": "class runs of growing size: time and memory",
    "replay": "large class runs from replayed gradings: memory, resuming, pages, look-alikes",
    "gradescope": "how much memory Gradescope's container needs",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark that is named first, with the other arguments; return the exit status."""
    if not arguments or arguments[0] not in NAMES:
        listed = "\n".join(f"  {name:<12}{what}" for name, what in NAMES.items())
        print(f"usage: python -m tests.benchmarks NAME [options]\n\n{listed}")
        return 0 if arguments in ([], ["-h"], ["--help"]) else 2
    name, *options = arguments
    benchmark = importlib.import_module(f"tests.benchmarks.{name}")
    sys.argv = [f"python -m tests.benchmarks {name}", *options]
    return benchmark.main() or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

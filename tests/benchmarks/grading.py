"""How fast is one grading? `python -m tests.benchmarks.grading [-n 5]`.

Compares in one run, interleaved: `pytest grader/` of the reference, whole and for one task alone, also with a file that
imports torchvision and pyplot, with its floor: importing torch once plus the checks' own computation, as pytest times
the checks when they all run in its own process (`--in-process`), without workers, frames or a sandbox.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from data.commandline import Parser, whole
from tests.benchmarks.measure import machine, seconds
from tests.zoo.build import reference

ROOT = Path(__file__).resolve().parents[2]
GRADE = (sys.executable, "-m", "pytest", "grader/", "-q")
HEAVY = "import torchvision\nimport matplotlib.pyplot as plt\n"


def wall_s(command: Sequence[str]) -> float:
    """Run a command in the project's folder, which must succeed; returns its wall time."""
    return seconds(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))


def own_s(submission: str, folder: Path) -> float:
    """Return the seconds that the checks compute when nothing lies between them and the submission."""
    report = folder / "junit.xml"
    wall_s([*GRADE, submission, "--in-process", f"--junitxml={report}"])
    return sum(float(case.get("time", "0")) for case in ElementTree.parse(report).iter("testcase"))


def rounds(n: int) -> dict[str, list[float]]:
    """Measure all of it n times, one after the other."""
    found: dict[str, list[float]] = {name: [] for name in ("whole", "imports", "one task", "torch", "own")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, heavy = folder / "plain.py", folder / "heavy.py"
        plain.write_text(reference(), encoding="utf-8")
        heavy.write_text(HEAVY + reference(), encoding="utf-8")
        for _ in range(n):
            found["whole"].append(wall_s([*GRADE, f"--submission={plain}"]))
            found["torch"].append(wall_s([sys.executable, "-c", "import torch"]))
            found["one task"].append(wall_s([*GRADE, f"--submission={plain}", "-m", "kl"]))
            found["own"].append(own_s(f"--submission={plain}", folder))
            found["imports"].append(wall_s([*GRADE, f"--submission={heavy}"]))
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("-n", type=whole(1), default=5, help="rounds [5]")
    options = parser.parse_args()
    wall_s([*GRADE, "-m", "mode", "--submission=solution/VAE_Model.py"])  # from here on, files are in memory
    found = rounds(options.n)
    medians = {name: statistics.median(times) for name, times in found.items()}
    floors = [torch + own for torch, own in zip(found["torch"], found["own"], strict=True)]
    ratios = [whole / floor for whole, floor in zip(found["whole"], floors, strict=True)]
    extra = [heavy - whole for heavy, whole in zip(found["imports"], found["whole"], strict=True)]
    rows = {
        "hardware": machine(),
        "`pytest grader/`": _spread(found["whole"]),
        "`pytest grader/ -m kl`": _spread(found["one task"]),
        "the file imports torchvision and pyplot": f"{_spread(extra)} more",
        "floor: import torch + own computation": f"{medians['torch']:.2f} + {medians['own']:.2f} s",
        "`pytest grader/` / floor": f"{statistics.median(ratios):.2f} (median of {options.n} paired ratios)",
    }
    print("\n".join(f"| {key} | {value} |" for key, value in rows.items()))


def _spread(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.2f} s (median of {len(times)}, {min(times):.2f} to {max(times):.2f})"


if __name__ == "__main__":
    main()

"""How far do right and wrong models lie from the threshold of `training`? `python -m tests.margins [--data PATH]`.

Each submission takes the short run as the grader gives it, in three workers, with several seeds.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from data import load
from data.commandline import Parser, image_source, whole
from grader.grading.options import GradingOptions
from grader.grading.session import Session, probe_seed
from grader.grading.training_run import judged
from grader.judge.short_run import LONGER, SMALL, USUAL, Images, ShortRun, prepare
from grader.judge.short_run_causes import cause
from grader.sandbox.failure import WorkerFailed
from tests.zoo.build import reference, source
from tests.zoo.equivalent.layers import EQUIVALENT  # other architectures; the rest trains as the reference does
from tests.zoo.wrong import WRONG


def short_run(text: str, images: Images, seed: int) -> ShortRun | None:
    """Return the short run of a submission; None if it has none to offer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "VAE_Model.py"
        file.write_text(text, encoding="utf-8")
        session = Session(GradingOptions(file, seed=seed))

        def ask(
            probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor]
        ) -> tuple[dict[str, Tensor], dict[str, Any]]:
            worker = session.start_worker("training")
            try:
                return worker.ask(probe, arguments, tensors, probe_seed(seed, probe, 0))
            finally:
                worker.close()

        try:
            return judged(ask, images, seed)
        except WorkerFailed:
            return None
        finally:
            session.close()


_MARKS = {SMALL: "s", LONGER: "*"}


def _seen(run: ShortRun) -> str:
    """Return the cause that the report would name if the run failed, and the numbers that it goes by."""
    found, seen = cause(run), run.seen
    parts = [found.diagnosis if found else "no cause"]
    if run.losses:
        parts += [f"loss {run.losses[0]:.5g} to {sum(run.losses[-10:]) / len(run.losses[-10:]):.5g}"]
    if seen:
        at_an_end = max(seen.at_lowest, seen.at_highest)
        parts += [f"images {seen.lowest:.2f} to {seen.highest:.2f}, {at_an_end:.1%} at an end"]
        parts += [f"spread {min(seen.spread):.2f} to {max(seen.spread):.2f}"]
        parts += [f"{seen.directions} directions, codes {seen.code_spread:.1g}"]
    return "; ".join(parts)


def main() -> int:
    """Print a line for each submission: the gaps of its seeds, and of the last what `judge/short_run.py` sees."""
    parser = Parser(prog="python -m tests.margins", description=__doc__)
    parser.add_argument("--data", type=image_source, default="sample", help="what data.load takes [sample]")
    parser.add_argument("--seeds", type=whole(1), default=3, help="seeds of each submission [3]")
    parser.add_argument("--only", default="", help="submissions whose title holds this text")
    options = parser.parse_args()
    images = prepare(load(options.data, "train"), load(options.data, "test"))
    print(
        f"constant mean {images.constant_mean:.1f}, PPCA {images.ppca:.1f} nats; "
        f"threshold {USUAL.threshold}; s: small run, *: longer run"
    )
    right = [("right: reference", reference()), *((f"right: {e.title}", source(e)) for e in EQUIVALENT)]
    wrong = [(f"wrong: {w.title}", source(w)) for w in WRONG if w.task == "training"]
    for title, text in [*right, *wrong]:
        if options.only in title:
            runs = [short_run(text, images, seed) for seed in range(options.seeds)]
            gaps = " ".join("  none " if r is None else f"{r.gap:6.3f}{_MARKS.get(r.plan, ' ')}" for r in runs)
            last = runs[-1]
            about = "" if last is None else f"  nll {last.nll:.1f}  kl {last.kl:.1f}  {_seen(last)}"
            print(f"{title:<56.56} {gaps}{about}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

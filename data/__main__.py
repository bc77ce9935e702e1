"""The command `python -m data`: list the available images, download SVHN, or create synthetic images."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.commandline import Parser, image_source, like_ctrl_c, path, print_everywhere, refuse_without_package, whole

try:
    from data import mat, official
    from data.house_numbers import SPLITS, DataError, HouseNumbers
    from data.loader import SAMPLE, load
except ModuleNotFoundError as error:
    refuse_without_package(error, "python -m data")

SEED, TRAIN, TEST = 0, 2048, 512  # the sample that is part of the project

EXAMPLES = """\
examples:
  python -m data                             list the available images
  python -m data fetch                       download SVHN (246 MB) into data/svhn
  python -m data sheet svhn --out look.png   draw the first images as one picture
  python -m data compare svhn                compare the statistics of the sample and of SVHN
  python -m data sample --out /tmp/more --seed 1 --train 20000 --test 2000
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 for success, 1 for a failure with one line on stderr.

    Wrong usage ends the process with status 2.
    """
    print_everywhere()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        with like_ctrl_c():
            return _run(options, parser)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; no incomplete files were left", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, parser: Parser) -> int:
    if options.command == "fetch":
        return _fetch()
    if options.command == "sample":
        same = (options.seed, options.train, options.test) == (SEED, TRAIN, TEST)
        if options.out == SAMPLE and not same:
            parser.error(
                "options that change the sample need --out DIR, as they must not replace the project's own sample"
            )
        return _sample(options.out, options.seed, options.train, options.test)
    if options.command == "compare":
        return _compare(options.source)
    if options.command == "sheet":
        return _sheet(options.source, options.out)
    return _status()


def _parser() -> Parser:
    """Describe the command line."""
    parser = Parser(
        prog="python -m data",
        description="List the available images of house numbers, download SVHN, or create synthetic images.",
        epilog=EXAMPLES,
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    commands.add_parser("fetch", help="download SVHN's official files into data/svhn")
    sample = commands.add_parser("sample", help="create the synthetic sample; the same options give the same bytes")
    sample.add_argument("--out", type=path, default=SAMPLE, metavar="DIR", help="output folder (default: %(default)s)")
    sample.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=SEED, metavar="N", help="random seed (default: %(default)s)"
    )
    sample.add_argument(
        "--train", type=whole(1), default=TRAIN, metavar="N", help="number of training images (default: %(default)s)"
    )
    sample.add_argument(
        "--test", type=whole(1), default=TEST, metavar="N", help="number of test images (default: %(default)s)"
    )
    compare = commands.add_parser("compare", help="print the statistics of the sample next to those of other images")
    sheet = commands.add_parser("sheet", help="draw a contact sheet: the first 72 images as one picture")
    for command, default in ((compare, "svhn"), (sheet, "sample")):
        command.add_argument(
            "source",
            type=image_source,
            nargs="?",
            default=default,
            help='"sample", "svhn", a .mat file or a folder (default: %(default)s)',
        )
    sheet.add_argument("--out", type=path, required=True, metavar="FILE", help="output file, such as look.png")
    return parser


def _status() -> int:
    """Print a line for each split: number of images, file size, path."""
    sound = True
    for source, folder in (("sample", SAMPLE), ("svhn", official.FOLDER)):
        for split in SPLITS:
            path = folder / f"{split}_32x32.mat"
            try:
                what = f"{len(load(source, split)):6,} images {path.stat().st_size / 1e6:7.1f} MB   {path}"
            except DataError as error:
                what = str(error)
                sound = sound and source != "sample"  # the sample is part of the project; SVHN may be missing
            print(f"{source:7} {split:6} {what}")
    return 0 if sound else 1


def _fetch() -> int:
    """Download both official files."""
    for split in SPLITS:
        fetched = official.fetch(split, official.FOLDER)
        print(f"{official.FOLDER / official.OFFICIAL[split].name}: {'downloaded' if fetched else 'already exists'}")
    return 0


def _sample(out: Path, seed: int, train: int, test: int) -> int:
    """Create synthetic images and write them as two files."""
    from data.synthetic import house_numbers

    both = house_numbers(seed, range(train)), house_numbers(seed, range(train, train + test))
    for split, numbers in zip(SPLITS, both, strict=True):
        path = out / f"{split}_32x32.mat"
        mat.write(path, numbers)
        print(f"{path}: {len(numbers):,} images")
    return 0


def _compare(source: str) -> int:
    """Print a Markdown table of statistics, with the same number of images on both sides."""
    from data.anchors import statistics

    ours, theirs = ([load(name, split) for split in SPLITS] for name in ("sample", source))
    counts = [min(len(a), len(b)) for a, b in zip(ours, theirs, strict=True)]
    left, right = (
        statistics(*(_first(part, n) for part, n in zip(side, counts, strict=True))) for side in (ours, theirs)
    )
    print(f"| {counts[0]:,} training and {counts[1]:,} test images | sample | {Path(source).name} | ratio |")
    print("|---|---:|---:|---:|")
    for name, value in left.items():
        ratio = value / right[name] if right[name] else float("nan")
        print(f"| {name} | {value:.3f} | {right[name]:.3f} | {ratio:.2f} |")
    return 0


def _sheet(source: str, out: Path) -> int:
    """Write the first 72 images of a source as one picture with 6 rows and 12 columns."""
    from PIL import Image

    rows, columns = 6, 12
    images = load(source).images[: rows * columns]
    grid = images.new_full((rows * columns, *images.shape[1:]), 255)  # white, for sources with fewer images
    grid[: len(images)] = images
    _, channels, height, width = grid.shape
    picture = grid.view(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    sheet = Image.fromarray(picture.reshape(rows * height, columns * width, channels).numpy())
    try:
        sheet.resize((2 * sheet.width, 2 * sheet.height), Image.Resampling.NEAREST).save(out, optimize=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{out}: cannot be written ({error}); choose another file, ending in .png") from error
    print(f"{out}: {len(images)} images")
    return 0


def _first(numbers: HouseNumbers, count: int) -> HouseNumbers:
    return HouseNumbers(numbers.images[:count], numbers.labels[:count])


if __name__ == "__main__":
    sys.exit(main())

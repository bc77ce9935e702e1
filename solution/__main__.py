"""Train the reference: `python -m solution`. The options: `python -m solution --help`."""

import sys

from data.commandline import refuse_without_package

try:
    from assignment.run import main
except ModuleNotFoundError as error:
    refuse_without_package(error, "python -m solution")

if __name__ == "__main__":
    from solution import VAE_Model

    sys.exit(main(VAE_Model, decoded_copy=True, tuned=True))

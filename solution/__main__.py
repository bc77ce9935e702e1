"""Train the reference: `python -m solution`. The options: `python -m solution --help`."""

import sys

from assignment.run import main
from solution import VAE_Model

if __name__ == "__main__":
    sys.exit(main(VAE_Model, decoded_copy=True, tuned=True))

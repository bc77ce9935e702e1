"""Train your own model: `python -m assignment`. The options: `python -m assignment --help`."""

import sys

from assignment import VAE_Model
from assignment.run import main

if __name__ == "__main__":
    sys.exit(main(VAE_Model))

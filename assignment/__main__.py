"""Train your own model: `python -m assignment`. The options: `python -m assignment --help`."""

import sys

from data.commandline import print_everywhere

if __name__ == "__main__":
    print_everywhere()  # before your file is imported: it may print, too
    from assignment import VAE_Model
    from assignment.run import main

    sys.exit(main(VAE_Model))

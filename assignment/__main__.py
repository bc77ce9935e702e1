"""Train your own model: `python -m assignment`. List the options: `python -m assignment --help`."""

import sys

from data.commandline import print_everywhere, refuse_without_package

if __name__ == "__main__":
    print_everywhere()  # before the import of your file, which may print
    try:
        from assignment.run import main
        from assignment.settings import parser
    except ModuleNotFoundError as error:
        refuse_without_package(error, "python -m assignment")
    options = parser("python -m assignment").parse_args()
    from assignment import VAE_Model

    sys.exit(main(VAE_Model, options))

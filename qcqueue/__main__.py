"""`python -m qcqueue` is the same as `qcqueue`: the command line, imported without a search for garbage.

What an import makes, stays. To look through it again and again takes a tenth of the time until `status` has answered;
a command that may live for hours has the collector back before it begins.
"""

import gc


def main() -> None:
    """Run one command and exit with the code of the contract."""
    gc.disable()
    from qcqueue.cli.main import main as answer

    answer()


if __name__ == "__main__":
    main()

"""`python -m qcqueue` is the same as `qcqueue`."""

from qcqueue.cli.main import main

main()

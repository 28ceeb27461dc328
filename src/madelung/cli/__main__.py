"""Run the command with ``python -m madelung.cli``."""

from madelung.cli import main

main()

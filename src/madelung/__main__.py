"""Run the command with ``python -m madelung``."""

from madelung.cli import main

if __name__ == "__main__":
    main()

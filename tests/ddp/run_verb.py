"""Runs one verb of the command line as a script of its own, which Lightning can start again for each process."""

import sys

from viewloom.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Which process started this one, as it was when the package was first imported: it may have ended since."""

import os

PARENT = os.getppid()
"""Its number."""

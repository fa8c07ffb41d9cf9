"""Errors a user can put right.

The command line prints their text alone, without a traceback, and exits with code 2. Every message says
what is wrong, where (file, recording, view, frame), and what to do about it.
"""


class UserError(ValueError):
    """Bad input or configuration; the message is complete in itself."""


class DataError(UserError):
    """A file, recording, view, label or split that can't be used as it is."""


class ConfigError(UserError):
    """A setting, or a combination of settings, that can't work."""


def listed(names: object, limit: int = 8) -> str:
    """The names in order, comma-separated; past ``limit`` the rest is counted instead of shown."""
    items = [str(name) for name in names]  # type: ignore[attr-defined]
    shown = ", ".join(items[:limit]) if items else "none"
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"

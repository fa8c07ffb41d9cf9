"""Errors a user can put right.

The command line prints their text alone, without a traceback, and exits with code 2. Every message says
what is wrong, where (file, recording, view, frame), and what to do about it.
"""

LONGEST, KEPT = 1500, 700
"""Characters of a message, and of the beginning and the end of one that is longer."""


class UserError(ValueError):
    """Bad input or configuration; the message is complete in itself.

    It is one line that can be printed, whatever was in the file it quotes: other characters are written as \\x1b and
    the like, so that no terminal obeys them, and of a long message its beginning and end are kept.
    """

    def __str__(self) -> str:
        text = " ".join(super().__str__().split("\n")).replace("\r", " ").replace("\t", " ")
        if not text.isprintable():
            text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        return text if len(text) <= LONGEST else f"{text[:KEPT]} ... {text[-KEPT:]}"


class DataError(UserError):
    """A file, recording, view, label or split that can't be used as it is."""


class ConfigError(UserError):
    """A setting, or a combination of settings, that can't work."""


def listed(names: object, limit: int = 8) -> str:
    """The names in order, comma-separated; past ``limit`` the rest is counted instead of shown."""
    items = [str(name) for name in names]  # type: ignore[attr-defined]
    shown = ", ".join(items[:limit]) if items else "none"
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"

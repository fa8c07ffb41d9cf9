"""A feature source that stands before another one and changes a part of what it says."""

from typing import Any


class BeforeSource:
    """What a subclass doesn't say itself is the source's own (attribute ``source``)."""

    def __getattr__(self, name: str) -> Any:
        """The source's, but for what Python itself asks for, such as how to pickle: that would be of another object."""
        if name == "source" or name.startswith("__"):  # no source yet while a copy is being unpickled
            raise AttributeError(name)
        return getattr(self.source, name)

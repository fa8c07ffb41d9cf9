"""Choices about how windows are fed."""

from typing import Literal

DeviceData = Literal["auto", "always", "never"]
"""Whether all training features are kept on the device: where they fit, always, or never."""

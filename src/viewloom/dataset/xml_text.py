"""XML as text."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from viewloom.errors import DataError

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (section 2.2)."""


def xml_text(root: ET.Element, path: Path) -> str:
    """An XML document with its declaration, an element a line; `DataError` for a character that XML can't hold."""
    for element in root.iter():
        bad = next((text for text in (element.text, *element.attrib.values()) if text and FORBIDDEN.search(text)), None)
        if bad is not None:
            raise DataError(f"{path} would hold {bad!r}, with a character that XML can't write. Correct the name.")
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'

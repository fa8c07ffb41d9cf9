"""Files of ``torch.save`` are zips whose records have checksums, which torch doesn't look at when it loads them.

Files of torch before 1.6 are no zips and have none; so it is with those written under `set_crc32_options(False)`.
"""

import zipfile
import zlib
from pathlib import Path

from viewloom.errors import DataError

_START = b"PK\x03\x04"
_READ_BYTES = 1 << 20
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError)
"""What Python's zip reader raises at whatever it meets."""


def refuse_damaged(path: Path) -> None:
    """Compare every record of a file with its checksum, before torch loads it; other files are let be.

    Raises:
        DataError: a record that isn't what was written, or more records than the file has room for.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_START))
        if start != _START and not zipfile.is_zipfile(path):
            return
        _read_records(path)
    except _FAULTS as error:
        raise DataError(f"{path} is damaged ({error}). Copy it again, or write it again.") from None


def _read_records(path: Path) -> None:
    """Read all records; the zip reader compares their checksums."""
    with zipfile.ZipFile(path) as records:
        found = records.infolist()
        if sum(record.file_size for record in found) > path.stat().st_size:
            raise ValueError("its records are larger than the file, and torch packs none")
        if not any(record.CRC for record in found):
            return
        for record in found:
            with records.open(record) as inside:
                while inside.read(_READ_BYTES):
                    pass

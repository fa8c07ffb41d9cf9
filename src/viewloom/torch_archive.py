"""Files that ``torch.save`` wrote (``.pt``, ``.pth``, ``.ckpt``), read so that none can run code or blow up.

torch's restricted loader (``weights_only``) builds tensors and plain values alone, but believes what a file says of
sizes. Here a file's directory and pickle are looked at before: records lie in the file as they are (nothing inflates),
tensors lie inside their records, and all of them together take no more memory than a few times the file.
"""

import math
import pickle
import re
import struct
import zipfile
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from viewloom.errors import DataError
from viewloom.pickles import CONTAINERS, MEMO, NUMBERS, OBJECTS, STRUCTURE, TEXTS, Named, Part, Refused, outline
from viewloom.regular import regular
from viewloom.zipped import refuse_damaged

if TYPE_CHECKING:
    from collections.abc import Mapping

AGAIN = "Get it again, or have its author save `model.state_dict()`, best as safetensors."
PICKLE = "data.pkl"
_HEADER = struct.Struct("<26sHH")
"""What stands before a record: at the end how long its name is, and what follows that."""
AS_WHOLE = 8
"""How many times the file's size its tensors may take: several may share their numbers."""
SPARE_BYTES = 256 << 20
"""What they may take beyond: a tensor may repeat its numbers (stride 0)."""
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin."""
LEGACY_PICKLES = 5
"""In such a file: two marks of its form, the machine's, the object, and the names of what follows."""
_ALLOWED = STRUCTURE | MEMO | CONTAINERS | NUMBERS | TEXTS | OBJECTS
_ITEM_BYTES = {"Double": 8, "Long": 8, "ComplexDouble": 16, "ComplexFloat": 8, "Float": 4, "Int": 4, "QInt32": 4} | {
    **{"Half": 2, "BFloat16": 2, "Short": 2},
    **{"Byte": 1, "Char": 1, "Bool": 1, "QInt8": 1, "QUInt8": 1, "Untyped": 1},
}
_HARMLESS = frozenset(
    {"collections.OrderedDict", "collections.Counter", "torch.Size", "torch.device", "_codecs.encode"}
    | {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "builtins.complex"}
    | {"torch.serialization._get_layout", "builtins.set", "__builtin__.set"}
)
_TENSORS = frozenset(f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3"))


def load_torch(path: Path | str, mapped: bool = False, remedy: str = AGAIN, verify: bool = True) -> Any:
    """Tensors and plain values of a file, on the CPU.

    Args:
        path: written by ``torch.save``.
        mapped: leave the numbers in the file until they are used, where its format allows.
        remedy: what to do about a file that can't be read, a sentence.
        verify: compare its records with their checksums, which reads it as a whole.

    Raises:
        DataError: no such file; a record that isn't what was written; anything but tensors and plain values in it;
            broken; or more in it than it can hold.
    """
    import torch

    path = regular(path, remedy)
    found = path.stat()
    try:
        mappable = _checked(str(path), found.st_ino, found.st_size, found.st_mtime_ns)
        if verify:
            refuse_damaged(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and mappable)
    except DataError:
        raise
    except Refused as error:
        raise DataError(f"{path} was not read: it {error}. {remedy}") from None
    except pickle.UnpicklingError:
        raise DataError(
            f"{path} isn't a checkpoint of tensors and plain values alone, so opening it could run code, or it is "
            f"broken. {remedy}"
        ) from None
    except Exception as error:  # noqa: BLE001 - torch raises whatever its parser meets in a foreign file
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{path} can't be read as a torch checkpoint ({reason}). {remedy}") from None


@lru_cache(maxsize=4096)
def _checked(path: str, inode: int, size: int, written_ns: int) -> bool:
    """`Refused` for a file that would blow up; once a process while it stays as it is. Whether it can be mapped."""
    with Path(path).open("rb") as file:
        begin = file.read(len(LEGACY))
        file.seek(0)
        if begin[:4] == b"PK\x03\x04":
            _check_archive(file, size)
            return True
        if begin != LEGACY:
            raise Refused("is not a file that torch.save wrote, or is broken; another pickle could run code")
        tensors = _Tensors(size, None)
        for _ in range(LEGACY_PICKLES):
            outline(file, _ALLOWED, tensors.call, tensors.stored)
        return False


def _check_archive(file: BinaryIO, size: int) -> None:
    """The zip's directory first, then its pickle."""
    try:
        with zipfile.ZipFile(file) as archive:
            records = _records(archive, size)
            name = next((one for one in records if one == PICKLE or one.endswith(f"/{PICKLE}")), None)
            if name is None:
                raise Refused(f"holds no {PICKLE}")
            tensors = _Tensors(
                size, {one.removeprefix(name[: -len(PICKLE)]): length for one, length in records.items()}
            )
            outline(_stored(file, archive.getinfo(name)), _ALLOWED, tensors.call, tensors.stored)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise Refused(f"is cut short or damaged ({error})") from None


def _stored(file: BinaryIO, info: zipfile.ZipInfo) -> BinaryIO:
    """A record that lies in the file as it is, without its checksum, which torch can be told to leave out."""
    file.seek(info.header_offset)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile(f"{info.filename} is not where the file says")
    file.seek(sum(_HEADER.unpack(header)[1:]), 1)
    return BytesIO(file.read(info.file_size))


def _records(archive: zipfile.ZipFile, size: int) -> dict[str, int]:
    """Sizes of the records by name: each stored as it is, none twice, all of them inside the file."""
    infos = archive.infolist()
    found = {info.filename: info.file_size for info in infos}
    if len(found) < len(infos):
        raise Refused("holds a record twice")
    packed = next((info for info in infos if info.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise Refused(
            f"holds {packed.filename} compressed, {packed.file_size:,} bytes in {packed.compress_size:,}, which "
            "torch.save never does"
        )
    if sum(found.values()) > size or any(info.file_size != info.compress_size for info in infos):
        raise Refused(f"tells of {sum(found.values()):,} bytes, but has {size:,}")
    return found


class _Tensors:
    """Checks of the calls that build tensors.

    Args:
        size: of the file.
        records: sizes of the records by name, of a zip; None: numbers follow the pickle.
    """

    def __init__(self, size: int, records: "Mapping[str, int] | None") -> None:
        self.size, self.records = size, records
        self.keys: dict[str, int] = {}
        self.taken = 0

    def stored(self, pid: Any) -> Any:
        """The numbers under an id: how many bytes there are, and how many each takes."""
        _, kind, key, _, count = pid.items[:5]
        item = _ITEM_BYTES[kind.name.rsplit(".", 1)[-1].removesuffix("Storage")]
        if type(count) is not int or count < 0:
            raise Refused(f"holds {str(count)[:30]} numbers in a record")
        if self.records is not None and count * item > (there := self.records.get(f"data/{key}", -1)):
            raise Refused(f"asks for {count * item:,} bytes of record {str(key)[:30]}, which has {max(0, there):,}")
        self.keys[str(key)] = count * item
        if self.records is None and sum(self.keys.values()) > self.size:
            raise Refused(f"asks for {sum(self.keys.values()):,} bytes, but has {self.size:,}")
        return Part(1, (count * item, item))

    def call(self, function: Any, arguments: Any) -> Any:
        """What a call stands for; `Refused` for one that builds no dense tensor and no plain value."""
        name = function.name if isinstance(function, Named) else "something it made itself"
        if name in _TENSORS:
            self._check(arguments.items)
        elif name == "torch._tensor._rebuild_from_type_v2":
            return self.call(arguments.items[0], arguments.items[2])
        elif name not in _HARMLESS:
            raise Refused(f"calls {name}, which could run code or take any memory; tensors and plain values are read")
        return Part(1 + (arguments.weight if isinstance(arguments, Part) else 1))

    def _check(self, arguments: tuple[Any, ...]) -> None:
        """Whether a tensor lies inside its record, and what it takes."""
        (there, item), offset = arguments[0].items, arguments[1]
        sizes, strides = arguments[2].items, arguments[3].items
        if len(arguments) > 7:  # _v3 names the type apart from the record
            item = max(1, int((re.findall(r"\d+", arguments[6].name) or ["8"])[0]) // 8)
        numbers = (offset, *sizes, *strides)
        if not all(type(number) is int and number >= 0 for number in numbers) or len(sizes) != len(strides):
            raise Refused("holds a tensor of impossible sizes")
        count = math.prod(sizes)
        reach = offset + 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if count and reach * item > there:
            raise Refused(f"holds a tensor {_shape(sizes)} that reaches beyond its record of {there:,} bytes")
        self.taken += count * item
        if self.taken > AS_WHOLE * self.size + SPARE_BYTES:
            raise Refused(
                f"holds tensors, such as {_shape(sizes)}, that take {self.taken:,} bytes, while the file has "
                f"{self.size:,}: at most {AS_WHOLE} times that and {SPARE_BYTES:,} are read. Save them contiguous"
            )


def _shape(sizes: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, sizes[:6]))})"

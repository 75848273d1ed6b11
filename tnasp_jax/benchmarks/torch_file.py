"""Files of torch.save, read without PyTorch and without running what they say.

PyTorch wrote two forms (torch/serialization.py). The older one, before 1.6, is a row of
pickles: a magic number, the protocol's number, facts of the system, the object, the keys
of the storages; then the storages, each as its length in 8 bytes and its numbers. The
newer one is a zip archive NAME/data.pkl, NAME/version, NAME/data/KEY. Numbers of tensors
are passed over in both.
"""

import errno
import io
import zipfile
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, BinaryIO

from tnasp_jax.benchmarks import safe_pickle

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_BLOCK = 1 << 20


def load(
    path: Path,
    wanted: Container[Any],
    on_read: Callable[[float], object] = lambda share: None,
) -> Any:
    """The object of a file of torch.save, tensors as placeholders.

    Args:
      path: of the file, in either form.
      wanted: the keys of dicts under which floats are kept; see
        `safe_pickle.next_object`.
      on_read: called with the share of the file that was read, 0 .. 1.

    Raises:
      ValueError: one line: if the file cannot be read, is damaged or cut off, with the
        position up to which it was read; if it names what `safe_pickle` refuses.
    """
    try:
        size = path.stat().st_size
        with io.BufferedReader(_Watched(path, size, on_read), _BLOCK) as file:
            return _load(path, file, size, wanted)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None


class _Watched(io.FileIO):
    """A file that tells how far it is read."""

    def __init__(self, path: Path, size: int, on_read: Callable[[float], object]):
        super().__init__(path)
        self._size, self._on_read, self._done = max(size, 1), on_read, 0

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer)
        self._done += count
        self._on_read(min(self._done / self._size, 1))
        return count


def _load(path: Path, file: BinaryIO, size: int, wanted: Container[Any]) -> Any:
    zipped = file.read(len(_ZIP)) == _ZIP
    file.seek(0)
    try:
        return (_from_zip if zipped else _from_row)(file, size, wanted)
    except MemoryError:
        message = f"too large for the memory, or damaged before byte {file.tell()}"
    except Exception as error:  # Bytes that are no pickle raise almost anything.
        invalid = (None, errno.EINVAL)  # A place before the file's first byte.
        if isinstance(error, OSError) and error.errno not in invalid:
            raise
        if file.tell() >= size:  # Names that were cut off are foreign, too.
            message = (
                f"cut off or damaged; the file ends at byte {size}; fetch it again"
            )
        elif isinstance(error, safe_pickle.Forbidden):
            message = str(error)
        else:
            message = (
                f"damaged before byte {file.tell()}, or no file of torch.save; "
                "fetch it again"
            )
    raise ValueError(f"{path}: {message}")


def _from_row(file: BinaryIO, size: int, wanted: Container[Any]) -> Any:
    """The object of the older form. It has no checksum: all else is compared."""
    sizes: dict[str, int] = {}

    def on_storage(about: Any) -> None:
        _, bytes_a_number, key, _, count, *_ = about
        sizes[key] = 8 + bytes_a_number * count

    def following() -> Any:
        return safe_pickle.next_object(file, wanted, on_storage)

    _expect(following() == _MAGIC)
    _expect(following() == _PROTOCOL)
    _expect(isinstance(following(), dict))
    value = following()
    _expect(sorted(following()) == sorted(sizes))
    end = file.tell() + sum(sizes.values())
    file.seek(min(end, size))
    _expect(end == size)
    return value


def _from_zip(file: BinaryIO, size: int, wanted: Container[Any]) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        (first,) = (name for name in names if name.endswith("/data.pkl"))
        with archive.open(first) as part:
            buffered: Any = io.BufferedReader(part, _BLOCK)  # pyright: ignore[reportArgumentType]
            value = safe_pickle.next_object(buffered, wanted, lambda about: None)
            _expect(not buffered.read(1))  # Its checksum is compared at the end.
        for name in names:
            if name != first:
                with archive.open(name) as part:
                    while part.read(_BLOCK):
                        pass
        return value


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError("another file")

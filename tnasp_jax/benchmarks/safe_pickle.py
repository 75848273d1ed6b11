"""Pickles, read without running what they say.

A pickle may name any function of Python and have it called. Here it may build
containers and arrays of numpy; whatever else it names is refused before it is looked up.
`load` reads a file compressed by bz2, `next_object` one pickle of a stream of PyTorch's.
"""

import bz2
import codecs
import collections
import pickle
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


def load(path: Path) -> Any:
    """The object of a file NAME.pickle.pbz2.

    Raises:
      ValueError: one line: if the file cannot be read, is damaged or cut off, with the
        position up to which it was read; if it names anything but containers, numbers
        and arrays, with that name.
    """
    try:
        with open(path, "rb") as raw, bz2.BZ2File(raw) as file:
            return _load(path, raw, file)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None


def _load(path: Path, raw: Any, file: bz2.BZ2File) -> Any:
    try:
        value = _Unpickler(file).load()
        while file.read(1 << 20):  # The checksum of the whole stands at the end.
            pass
        return value
    except Forbidden as error:
        raise ValueError(f"{path}: {error}") from None
    except EOFError:
        raise ValueError(
            f"{path}: cut off; the file ends at byte {raw.tell()}"
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(_damaged(path, raw)) from None
    except MemoryError:
        raise ValueError(
            f"{path}: too large for this machine's memory; convert the folder of "
            "single files (-simple) instead"
        ) from None
    except (
        Exception
    ):  # An unpickler raises almost anything at bytes that are no pickle.
        raise ValueError(_damaged(path, raw)) from None


def _damaged(path: Path, raw: Any) -> str:
    return (
        f"{path}: damaged before byte {raw.tell()}, or no pickle compressed by bz2; "
        "fetch it again"
    )


class Forbidden(Exception):
    """A pickle asks for something that it has no business with."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _found(module, name, _ALLOWED)

    def persistent_load(self, pid: Any) -> Any:
        raise Forbidden("refers to objects outside the file; nothing of it was run")


def _found(module: str, name: str, allowed: dict[tuple[str, str], Any]) -> Any:
    """What stands for a name of a pickle."""
    module = module.replace("numpy._core.", "numpy.core.")
    found = allowed.get((module, name))
    if found is None:
        asked = f"{module}.{name}"
        asked = asked if asked.isprintable() else ascii(asked)
        raise Forbidden(
            f"asks for {asked}, which no table of accuracies needs; "
            "nothing of it was run"
        )
    return found


def next_object(
    file: BinaryIO, wanted: Container[Any], on_storage: Callable[[Any], None]
) -> Any:
    """The object of the pickle that starts where `file` is read next.

    Floats of a dict are kept only under keys in `wanted`. A tensor is a placeholder: its
    numbers are never read. In Python alone, a tenth of the speed of `load`, since what is
    left out must not fill the memory first.

    Args:
      file: left behind the pickle's last byte.
      wanted: keys of floats to keep.
      on_storage: called with what the pickle says of each storage of numbers, a tuple in
        which the storage's class is the size of a number in bytes.

    Raises:
      Forbidden: if it names anything but containers, numbers, arrays and tensors.
      Exception: almost any, at bytes that are no pickle.
    """
    return _Sparing(file, wanted, on_storage).load()


_InPython: Any = pickle._Unpickler  # Its steps can be replaced, unlike those in C.


class _Sparing(_InPython):
    dispatch = dict(_InPython.dispatch)  # noqa: RUF012

    def __init__(
        self,
        file: BinaryIO,
        wanted: Container[Any],
        on_storage: Callable[[Any], None],
    ):
        super().__init__(file)
        self.memo, self.wanted, self.on_storage = _Memo(), wanted, on_storage

    def find_class(self, module: str, name: str) -> Any:
        return _found(module, name, _ALLOWED_WITH_TENSORS)

    def persistent_load(self, pid: Any) -> Any:
        self.on_storage(pid)
        return _TENSOR

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._set(items[::2], items[1::2])

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key], [value])

    def _set(self, keys: list[Any], values: list[Any]) -> None:
        into, wanted = self.stack[-1], self.wanted
        for key, value in zip(keys, values, strict=True):
            if type(value) is not float or key in wanted:
                into[key] = value

    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.SETITEM[0]] = load_setitem


class _Memo(list[Any]):
    """What a pickle may refer to again, by number; equal texts are one object."""

    def __init__(self):
        super().__init__()
        self.texts: dict[str, str] = {}

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(value) is str:
            value = self.texts.setdefault(value, value)
        if index == len(self):
            self.append(value)
        else:
            super().__setitem__(index, value)


class _Tensor:
    """Stands for a tensor, for its storage and for what makes one of the other."""

    __slots__ = ()

    def __call__(self, *_: Any) -> "_Tensor":
        return self


def _scalar(dtype: np.dtype, data: bytes) -> Any:
    """A number of numpy, as its pickle holds it."""
    if dtype.hasobject or not isinstance(data, bytes):
        raise Forbidden("holds an object as a number of numpy")
    return np.frombuffer(data, dtype, 1)[0]


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    """The array that a pickle fills afterwards."""
    if kind is not np.ndarray or shape != (0,):
        raise Forbidden("holds an array of another kind than numpy's own")
    return np.empty(0, np.int8)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as old pickles hold them; other encodings could unpack anything."""
    if encoding not in ("latin1", "latin-1"):
        raise Forbidden(f"asks for the encoding {encoding!r}")
    return codecs.latin_1_encode(text)[0]


_ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("_codecs", "encode"): _encode,
} | {
    (module, kind.__name__): kind
    for module in ("builtins", "__builtin__")
    for kind in (dict, list, tuple, set, frozenset, bytearray)
}

_TENSOR = _Tensor()
_BYTES = {"Double": 8, "Long": 8, "Float": 4, "Int": 4, "Half": 2, "BFloat16": 2}
_BYTES |= {"Short": 2, "Byte": 1, "Char": 1, "Bool": 1}
_ALLOWED_WITH_TENSORS = (
    _ALLOWED
    | {("torch", f"{kind}Storage"): size for kind, size in _BYTES.items()}
    | {("torch._utils", "_rebuild_tensor_v2"): _TENSOR}
    | {("torch._utils", "_rebuild_parameter"): _TENSOR}
)

"""Pickles compressed by bz2, read without running what they say.

A pickle may name any function of Python and have it called. Here it may build
containers and arrays of numpy; whatever else it names is refused before it is looked up.
"""

import bz2
import codecs
import collections
import pickle
from pathlib import Path
from typing import Any

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
    except _Forbidden as error:
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


class _Forbidden(Exception):
    """A pickle asks for something that it has no business with."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core.", "numpy.core.")
        found = _ALLOWED.get((module, name))
        if found is None:
            raise _Forbidden(
                f"asks for {module}.{name}, which no table of accuracies needs; "
                "nothing of it was run"
            )
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise _Forbidden("refers to objects outside the file; nothing of it was run")


def _scalar(dtype: np.dtype, data: bytes) -> Any:
    """A number of numpy, as its pickle holds it."""
    if dtype.hasobject or not isinstance(data, bytes):
        raise _Forbidden("holds an object as a number of numpy")
    return np.frombuffer(data, dtype, 1)[0]


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    """The array that a pickle fills afterwards."""
    if kind is not np.ndarray or shape != (0,):
        raise _Forbidden("holds an array of another kind than numpy's own")
    return np.empty(0, np.int8)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as old pickles hold them; other encodings could unpack anything."""
    if encoding not in ("latin1", "latin-1"):
        raise _Forbidden(f"asks for the encoding {encoding!r}")
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

"""Pickles that build containers load; those that call anything do not."""

import bz2
import collections
import os
import pickle

import numpy as np
import pytest

from tests.official_files import pbz2
from tnasp_jax.benchmarks import safe_pickle


class Calls:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def load(tmp_path, data):
    path = tmp_path / "x.pickle.pbz2"
    path.write_bytes(data)
    return safe_pickle.load(path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_containers_and_numbers(tmp_path, protocol):
    value = {
        "ordered": collections.OrderedDict(a=[1, 2.5, None, True]),
        ("cifar10", 777): {"set", frozenset({3})},
        "number": np.float64(91.25),
        "half": np.float16(0.5),
        "array": np.arange(6.0).reshape(2, 3),
        "bytes": b"\xff\0",
    }
    data = bz2.compress(pickle.dumps(value, protocol=protocol))
    found = load(tmp_path, data)
    np.testing.assert_array_equal(found.pop("array"), value.pop("array"))
    assert found == value


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.mkdir, ("{folder}",), "mkdir"),
        (eval, ("1",), "builtins.eval"),
        (getattr, ({}, "keys"), "builtins.getattr"),
        (__import__, ("os",), "builtins.__import__"),
        (collections.Counter, (), "collections.Counter"),
        (np.load, ("x",), "numpy.load"),
    ],
)
def test_nothing_is_called(tmp_path, function, arguments, named):
    folder = tmp_path / "made"
    arguments = [folder if a == "{folder}" else a for a in arguments]
    with pytest.raises(ValueError, match="nothing of it was run") as caught:
        load(tmp_path, pbz2([Calls(function, *map(_plain, arguments))]))
    assert named in str(caught.value) and "\n" not in str(caught.value)
    assert not folder.exists()


def _plain(value):
    return str(value) if not isinstance(value, dict) else value


def test_arrays_of_objects_and_other_encodings(tmp_path):
    with pytest.raises(ValueError, match="encoding 'zlib'"):
        load(tmp_path, pbz2(Calls(pickle_encode(), "x", "zlib")))
    stranger = np.zeros(2).view(np.recarray)
    with pytest.raises(ValueError, match="recarray"):
        load(tmp_path, pbz2(stranger))


def pickle_encode():
    import _codecs

    return _codecs.encode


def test_damage(tmp_path):
    good = pbz2({"key": list(range(10_000))})
    for keep in (0, 3, 100, len(good) - 1):
        with pytest.raises(ValueError, match=rf"cut off; .* byte {keep}$"):
            load(tmp_path, good[:keep])
    for place in (0, 5, len(good) // 2, len(good) - 2):
        bad = bytearray(good)
        bad[place] ^= 1
        with pytest.raises(ValueError, match=r"damaged before byte \d+") as caught:
            load(tmp_path, bytes(bad))
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="damaged before byte"):
        load(tmp_path, bz2.compress(b"no pickle"))
    with pytest.raises(ValueError, match="nowhere: cannot be read"):
        safe_pickle.load(tmp_path / "nowhere")

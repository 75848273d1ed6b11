"""Both forms of torch.save give what was saved; what they call is refused."""

import collections
import re

import numpy as np
import pytest

from tests import official_files as official
from tests.official_files import Call, Name, Storage
from tnasp_jax.benchmarks import torch_file

FORMS = {"row": official.torch_row, "zip": official.torch_zip}
WANTED = {199, "x-valid@199"}
VALUE = {
    "meta_archs": ["|none~0|", "|none~0|"],
    "indexes": {1, 2},
    ("cifar10", 777): collections.OrderedDict(a=[1, 2.5, None, True], b=(4, 300)),
    "train": {3: 12.5, 199: 91.25, "count": 7},
    "eval": {"x-valid@3": 1.5, "x-valid@199": 90.5},
    "flop": np.float64(15.5),
}
KEPT = VALUE | {"train": {199: 91.25, "count": 7}, "eval": {"x-valid@199": 90.5}}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


@pytest.fixture
def load(tmp_path):
    def load_(data, **arguments):
        path = tmp_path / "x.pth"
        path.write_bytes(data)
        return torch_file.load(path, WANTED, **arguments)

    return load_


def mistake(load, data):
    with pytest.raises(ValueError, match="x.pth: ") as caught:
        load(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_both_forms(load, form):
    shares = []
    found = load(form(official.torch_pickle(VALUE)), on_read=shares.append)
    assert found == KEPT
    assert shares == sorted(shares) and shares[-1] == 1


def test_tensors_are_passed_over(load, form):
    weight = official.tensor(Storage("Float", "0", 6))
    layers = collections.OrderedDict(weight=weight, again=weight)
    data = form(official.torch_pickle({"net": layers, "acc": 3}), {"0": 6})
    found = load(data)
    assert list(found["net"]) == ["weight", "again"] and found["acc"] == 3
    with pytest.raises(TypeError):
        float(found["net"]["weight"])


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("os", "system", ("mkdir {folder}",)),
        ("posix", "system", ("mkdir {folder}",)),
        ("os", "mkdir", ("{folder}",)),
        ("__builtin__", "eval", ("1",)),
        ("builtins", "getattr", ({}, "keys")),
        ("torch", "load", ("x",)),
        ("torch.storage", "_load_from_bytes", (b"",)),
        ("nowhere", "known", ()),
    ],
)
def test_nothing_is_called(load, form, tmp_path, module, name, arguments):
    folder = tmp_path / "made"
    filled = [a.format(folder=folder) if type(a) is str else a for a in arguments]
    pickled = official.torch_pickle([Call(Name(module, name), *filled)])
    message = mistake(load, form(pickled))
    assert f"asks for {module}.{name}, which no table" in message
    assert "nothing of it was run" in message and not folder.exists()


def test_each_part_is_read_by_the_same_rules(load):
    good = official.torch_row(official.torch_pickle(VALUE))
    evil = official.torch_pickle(Call(Name("os", "getcwd")))
    assert "asks for os.getcwd" in mistake(load, evil + good)
    head = good.index(official.torch_pickle(VALUE))
    assert "asks for os.getcwd" in mistake(load, good[:head] + evil)


def test_cut_off_anywhere(load, form):
    tensor = official.tensor(Storage("Float", "0", 6))
    data = form(official.torch_pickle({**VALUE, "net": tensor}), {"0": 6})
    for keep in range(0, len(data), 7):
        message = mistake(load, data[:keep])
        assert re.search(r"(byte \d+)", message), message
    assert f"the file ends at byte {keep}" in message


def test_what_follows_the_older_form(load):
    data = official.torch_row(official.torch_pickle(VALUE))
    message = mistake(load, data + b"more")
    assert f"damaged before byte {len(data)}, or no file of torch.save" in message
    tensor = official.tensor(Storage("Float", "0", 6))
    data = official.torch_row(official.torch_pickle([tensor]), {"1": 6})
    assert "damaged before byte" in mistake(load, data)


def test_any_flipped_bit(load, form):
    """An error in one line, or what was saved; numbers of the older form can change."""
    data = form(official.torch_pickle(VALUE))
    errors = 0
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 1 << place % 8
        try:
            found = load(bytes(bad))
        except ValueError as error:
            errors += 1
            message = str(error)
            assert "\n" not in message
            assert re.search(r"byte \d+|asks for|holds an", message), message
        else:
            assert form is official.torch_row or found == KEPT
    assert errors > len(data) / 4


def test_flipped_numbers_of_the_zip(load):
    pickled = official.torch_pickle(VALUE)
    data = official.torch_zip(pickled)
    start = data.index(pickled)
    for place in range(start, start + len(pickled), 5):
        bad = data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]
        mistake(load, bad)


@pytest.mark.parametrize(
    "data", [b"", b"no file", b"BZh9", b"PK\x03\x04", b"\x80\x02."]
)
def test_what_is_no_file_of_torch(load, data):
    assert re.search(r"byte \d+", mistake(load, data))


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="nowhere: cannot be read"):
        torch_file.load(tmp_path / "nowhere", ())

"""experiments.convert: made files of the official forms, whole and damaged."""

import hashlib
import pickle
import re
import sys

import numpy as np
import pytest

from experiments import convert
from tests import official_files as official
from tnasp_jax.benchmarks import nasbench101, nasbench101_official, nasbench201
from tnasp_jax.spaces.nasbench101 import from_row
from tnasp_jax.spaces.nasbench101_enumeration import enumerate_cells
from tnasp_jax.spaces.nasbench201 import NASBench201

EPOCHS = (4, 12, 36, 108)
SEEDS = (888, 777)
CELLS = enumerate_cells(max_vertices=3)  # 7 of them


@pytest.fixture
def call(commands, capsys):
    """Exit code, lines on stdout, text on stderr."""

    def call_(*arguments):
        capsys.readouterr()
        code = commands.call(convert.main, convert.define, arguments, words="FILE")
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err

    return call_


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    monkeypatch.setattr(nasbench101_official, "NUM_CELLS", len(CELLS.hash))


def measured(row, epochs, repeat):
    """Seconds, validation and test accuracy."""
    step = repeat / 10 + EPOCHS.index(epochs) / 50 + row / 1000
    return 100 * step, 0.5 + step, 0.4 + step


def records(epochs=EPOCHS, repeats=3):
    """Records of all cells in an order that is not the table's."""
    found = []
    for row in np.random.default_rng(0).permutation(len(CELLS.hash)):
        size, bits, ops = (part[row] for part in CELLS[1:])
        cell = from_row(size, bits, ops)
        for budget in epochs:
            for repeat in range(repeats):
                final = measured(row, budget, repeat)
                data = official.metrics(100_000 + int(row), final)
                fields = (CELLS.hash[row].tobytes(), cell.matrix, cell.ops)
                found.append(official.record(*fields, budget, data))
    return found


def write(path, found):
    path.write_bytes(b"".join(map(official.frame, found)))
    return path


def arrays_of(path):
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def test_nasbench101(call, tmp_path):
    source = write(tmp_path / "nasbench_full.tfrecord", records())
    out = tmp_path / "new" / nasbench101.FILE
    code, lines, err = call("--space=nasbench101", source, f"--out={out}", "--quiet")
    assert (code, err) == (0, "")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert lines[0] == f"source sha256 {digest}: none of the official releases"
    assert lines[1] == "7 cells; test_acc_mean: mean of 3 repeats, 108 epochs"
    assert lines[2].endswith("4, 12, 36, 108 epochs")
    written = hashlib.sha256(out.read_bytes()).hexdigest()
    assert lines[3:] == [f"wrote {out}, sha256 {written}"]
    columns = arrays_of(out)
    assert columns["source_sha256"] == digest
    for name, expected in CELLS._asdict().items():
        np.testing.assert_array_equal(columns[name], expected)
        assert columns[name].dtype == expected.dtype
    all_values = np.array(
        [
            [[measured(r, e, repeat) for repeat in range(3)] for e in EPOCHS]
            for r in range(7)
        ]
    )  # [M, E, repeats, 3]
    close = np.testing.assert_allclose
    close(columns["test_acc_mean"], all_values[:, 3, :, 2].mean(1), rtol=1e-6)
    close(columns["val_acc"], all_values[:, :, 0, 1], rtol=1e-6)
    close(columns["val_acc_mean"], all_values[..., 1].mean(2), rtol=1e-6)
    close(columns["val_train_time_s"], all_values[:, 3, 0, 0], rtol=1e-6, atol=1e-6)
    assert columns["params"].tolist() == list(range(100_000, 100_007))
    table = nasbench101.read(out.parent)
    assert len(table) == 7 and table.sha256 == written
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_nasbench101_with_108_epochs_alone(call, tmp_path):
    source = write(tmp_path / "nasbench_only108.tfrecord", records(epochs=(108,)))
    out = tmp_path / "made.npz"
    code, lines, err = call("--space=nasbench101", source, f"--out={out}")
    assert code == 0 and lines[2].endswith("the mean; 108 epochs")
    assert "reading 100 %" in err and len(err.splitlines()) == 1
    values = arrays_of(out)["val_acc"]
    assert np.isnan(values[:, :3]).all() and not np.isnan(values[:, 3]).any()
    table = nasbench101.read_file(out)
    assert table.candidates("val_acc_4").size == 0


def replaced(old, new):
    """Records whose first one has another text."""
    first, *others = records()
    assert old in first
    return [first.replace(old, new), *others]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (records()[:-12], "expected 7 cells, got 6; the file may be cut off"),
        (records()[:-1], "108 epochs: expected 3 repeats of every cell, got 2"),
        (records(repeats=2), "expected 3 repeats of every cell, got 2"),
        (records(epochs=(4, 12, 36)), "108 epochs: expected 3 repeats"),
        ([b"[]", *records()], "record 0 at byte 0: expected a list in JSON"),
        ([b"\xff", *records()], "record 0 at byte 0: expected a list in JSON"),
        (replaced(b", 4, ", b", 5, "), "record 0 at byte 0: epochs: expected one of"),
        (replaced(b"input,", b"inputs,"), "operations: expected official names"),
        (replaced(b', 4, "0', b', 4, "1'), "1 above the diagonal alone"),
        (replaced(b', 4, "0', b', 4, "00'), "matrix: expected"),
        (replaced(b'["', b'["g'), "hash: expected 32 digits"),
        (replaced(b'"Ci0J', b'"Cy0J'), "no measurements of NAS-Bench-101"),
    ],
)
def test_what_is_no_nasbench101(call, tmp_path, found, message):
    source = write(tmp_path / "bad.tfrecord", found)
    check_mistake(call, "nasbench101", source, tmp_path / "out.npz", message)


def check_mistake(call, space, source, out, message):
    code, lines, err = call(f"--space={space}", source, f"--out={out}", "--quiet")
    assert (code, lines, len(err.splitlines())) == (2, [], 1)
    assert message in err, err
    assert not out.exists() and not list(out.parent.glob("*.part"))


def test_an_existing_file_stays_unless_overwritten(call, tmp_path):
    source, out = write(tmp_path / "f.tfrecord", records()), tmp_path / "out.npz"
    out.write_text("old")
    arguments = ("--space=nasbench101", source, f"--out={out}", "--quiet")
    assert call(*arguments)[0] == 2 and out.read_text() == "old"
    data = source.read_bytes()
    source.write_bytes(data[:-1])
    assert call(*arguments, "--overwrite")[0] == 2 and out.read_text() == "old"
    source.write_bytes(data)
    assert call(*arguments, "--overwrite")[0] == 0
    assert len(nasbench101.read_file(out)) == 7


def test_without_protobuf(call, tmp_path, monkeypatch):
    source, out = write(tmp_path / "f.tfrecord", records()), tmp_path / "a" / "out.npz"
    nasbench101_official.message_class.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    message = "needs protobuf: pip install '.[data]'"
    check_mistake(call, "nasbench101", source, out, message)
    assert not out.parent.exists()


def test_damaged_nasbench101(call, tmp_path):
    source = write(tmp_path / "bad.tfrecord", records())
    data, out = source.read_bytes(), tmp_path / "out.npz"
    source.write_bytes(data[:-5])
    last = len(data) - len(official.frame(records()[-1]))
    message = f"starts at byte {last}; the file ends at byte {len(data) - 5}"
    check_mistake(call, "nasbench101", source, out, message)
    source.write_bytes(data[: last + 50] + b"?" + data[last + 51 :])
    check_mistake(
        call, "nasbench101", source, out, f"record 83 at byte {last}: its data"
    )


@pytest.fixture(scope="module")
def texts():
    space = NASBench201()
    return [space.format(cell) for cell in space.all_architectures()]


@pytest.fixture(scope="module")
def nats_file(texts, tmp_path_factory):
    cells = {
        index: official.nats_cell(index, text, seeds=SEEDS)
        for index, text in enumerate(texts)
    }
    path = tmp_path_factory.mktemp("nats") / "NATS-tss.pickle.pbz2"
    path.write_bytes(official.pbz2({"meta_archs": texts, "arch2infos": cells}))
    return path


def test_nasbench201(call, nats_file, tmp_path):
    out = tmp_path / nasbench201.FILE
    code, lines, err = call("--space=nasbench201", nats_file, f"--out={out}", "--quiet")
    assert (code, err) == (0, "")
    assert lines[0].startswith("15625 cells; 200 epochs: mean over the seeds")
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert lines[-1] == f"wrote {out}, sha256 {digest}"
    table = nasbench201.read_file(out)
    for label, dataset, epochs, part in [
        ("c10v_val", "cifar10-valid", 200, "x-valid"),
        ("c10v_test", "cifar10-valid", 200, "ori-test"),
        ("c10v_train", "cifar10-valid", 200, "train"),
        ("c10_test", "cifar10", 200, "ori-test"),
        ("c10_val_12ep", "cifar10-valid", 12, "x-valid"),
        ("c10_test_12ep", "cifar10", 12, "ori-test"),
    ]:
        seeds = SEEDS if epochs == 200 else (777,)
        expected = [
            np.mean([official.accuracy(i, dataset, s, epochs, part) for s in seeds])
            for i in range(len(table))
        ]
        np.testing.assert_allclose(
            table.label(label), np.array(expected) / 100, rtol=1e-6
        )


def test_a_pth_of_nasbench201(call, texts, tmp_path):
    cells = {}
    for index, text in enumerate(texts):
        cell = official.nats_cell(index, text, seeds=(777,))
        cells[index] = {"full": cell["200"], "less": cell["12"]}
        del cells[index]["less"]["dataset_seed"]["cifar10"]
    pickled = pickle.dumps(official.pth_content(cells, texts), 2)
    source, out = tmp_path / "NAS-Bench-201-v1_0-000000.pth", tmp_path / "out.csv"
    source.write_bytes(official.torch_row(pickled))
    code, lines, err = call("--space=nasbench201", source, f"--out={out}")
    assert code == 0 and "reading 100 %" in err and len(err.splitlines()) == 1
    digest = hashlib.md5(source.read_bytes()).hexdigest()
    assert lines[0] == f"source md5 {digest}"
    assert lines[2] == "000000 in the file's name: end of neither"
    assert lines[3].startswith("15625 cells;") and len(lines) == 6
    assert lines[4] == "c10_test_12ep: not in this file"
    table = nasbench201.read_file(out)
    assert "c10_test_12ep" not in table.labels
    for row in (0, 15_624):
        expected = official.accuracy(row, "cifar10", 777, 200, "ori-test") / 100
        assert table.label("c10_test")[row] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("form", [official.torch_row, official.torch_zip])
def test_a_damaged_pth_of_nasbench201(call, texts, tmp_path, form):
    source, out = tmp_path / "x.pth", tmp_path / "out.csv"
    cells = {index: official.pth_cell(index, texts[index]) for index in range(3)}
    content = official.pth_content(cells, texts)
    pickled = official.torch_pickle(content)
    data = form(pickled)
    source.write_bytes(data)
    check_mistake(call, "nasbench201", source, out, "x.pth: cell 3 is missing")
    source.write_bytes(data[:-10])
    message = f"cut off or damaged; the file ends at byte {len(data) - 10}"
    check_mistake(call, "nasbench201", source, out, message)
    place = data.index(b"arch2infos") - 5  # The opcode of a text.
    source.write_bytes(data[:place] + b"?" + data[place + 1 :])
    check_mistake(call, "nasbench201", source, out, "damaged before byte")
    evil = official.Call(official.Name("os", "system"), f"touch {out}")
    source.write_bytes(form(official.torch_pickle(content | {"more": evil})))
    check_mistake(call, "nasbench201", source, out, "asks for os.system")
    source.write_bytes(form(official.torch_pickle({"meta_archs": texts})))
    check_mistake(call, "nasbench201", source, out, "lacks 'arch2infos'")


def test_damaged_nasbench201(call, texts, tmp_path):
    source, out = tmp_path / "bad.pickle.pbz2", tmp_path / "out.csv"
    cells = {index: official.nats_cell(index, texts[index]) for index in range(200)}
    data = official.pbz2({"arch2infos": cells})
    source.write_bytes(data)
    check_mistake(call, "nasbench201", source, out, "cell 200 is missing")
    source.write_bytes(data[:-10])
    message = f"cut off; the file ends at byte {len(data) - 10}"
    check_mistake(call, "nasbench201", source, out, message)
    source.write_bytes(data[:5000] + bytes([data[5000] ^ 4]) + data[5001:])
    check_mistake(call, "nasbench201", source, out, "damaged before byte")
    source.write_bytes(official.pbz2([print]))
    check_mistake(call, "nasbench201", source, out, "asks for builtins.print")
    source.write_bytes(official.pbz2({"meta_archs": []}))
    check_mistake(call, "nasbench201", source, out, "lacks 'arch2infos'")


def test_a_folder_of_nasbench201(call, texts, tmp_path, monkeypatch):
    folder, out = tmp_path / "NATS-tss-simple", tmp_path / "out.csv"
    folder.mkdir()
    for index in range(2):
        cell = official.nats_cell(index, texts[index])
        (folder / f"{index:06d}.pickle.pbz2").write_bytes(official.pbz2(cell))
    check_mistake(call, "nasbench201", folder, out, "cell 2 is missing: no file 000002")
    (folder / "000001.pickle.pbz2").write_bytes(official.pbz2({"12": {}}))
    message = "cell 1: no accuracy of train after 200 epochs on cifar10-valid"
    check_mistake(call, "nasbench201", folder, out, message)
    wrong = official.nats_cell(1, texts[2])
    (folder / "000001.pickle.pbz2").write_bytes(official.pbz2(wrong))
    check_mistake(call, "nasbench201", folder, out, f"cell 1: expected {texts[1]}, got")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FILE", "--out=OUT"], "--space is missing; expected one of nasbench101"),
        (["--space=mnasnet", "FILE", "--out=OUT"], "got 'mnasnet'"),
        (["--space=nb201", "FILE", "--out=OUT"], "did you mean nasbench201?"),
        (["--space=nasbench101", "FILE"], "--out is missing"),
        (["--space=nasbench101", "--out=OUT"], "expected one official file, got 0"),
        (["--space=nasbench101", "nowhere", "--out=OUT"], "nowhere: no such file"),
        (["--space=nasbench101", "FILE", "--out=OTHER"], "exists; --overwrite"),
        (["--space=nasbench101", "FILE", "--out=FILE/x"], "cannot be written"),
        (["--space=nasbench101", "FILE", "--out=FILE", "--overwrite"], "beside the"),
    ],
)
def test_a_mistake_is_one_line(call, tmp_path, arguments, message):
    source = write(tmp_path / "f.tfrecord", records())
    other = tmp_path / "other.npz"
    other.write_text("mine")
    names = {"FILE": str(source), "OTHER": str(other), "OUT": str(tmp_path / "out")}
    arguments = [re.sub("FILE|OTHER|OUT", lambda m: names[m[0]], a) for a in arguments]
    code, lines, err = call(*arguments)
    assert (code, lines, len(err.splitlines())) == (2, [], 1)
    assert message in err
    assert not (tmp_path / "out").exists() and other.read_text() == "mine"

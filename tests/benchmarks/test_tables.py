"""The official tables, real and damaged."""

import json
import shutil
import time

import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import nasbench101, nasbench201
from tnasp_jax.benchmarks.table import group_ids
from tnasp_jax.graphs import Graphs

NB101 = "nasbench101/nasbench101_108ep.npz"
NB201 = "nasbench201/nb201_accuracy.csv"


@pytest.fixture(scope="module")
def nb101(data_dir):
    return benchmarks.load("nb101", data_dir)


@pytest.fixture(scope="module")
def nb201(data_dir):
    return benchmarks.load("nb201", data_dir)


def check_table(table):
    for label in table.labels.values():
        assert label.shape == (len(table),)
        assert label.dtype == np.float32
        measured = label[~np.isnan(label)]
        assert ((measured >= 0) & (measured <= 1)).all()
    assert table.labels.keys() == table.describe.keys()
    assert {table.train_target, *table.eval_targets} <= table.labels.keys()
    assert all("fraction" in sentence for sentence in table.describe.values())
    assert table.hashes.shape == (len(table),)
    assert table.hashes.dtype == np.int32
    assert len(table.sha256) == 64
    for row in (0, len(table) // 2, len(table) - 1):
        cell = table.space.parse(table.texts(row))
        graph = table.space.to_graphs([cell])
        for mine, theirs in zip(
            (graph.ops, graph.adjacency, graph.mask),
            (table.graphs.ops, table.graphs.adjacency, table.graphs.mask),
            strict=True,
        ):
            assert isinstance(theirs, np.ndarray)
            np.testing.assert_array_equal(mine[0], theirs[row])


def test_nb101(nb101):
    check_table(nb101)
    assert len(nb101) == 423_624
    assert nb101.sha256.startswith("f62aa5a1a9cb635e")
    assert len(np.unique(nb101.hashes)) == 423_624
    test = nb101.label("test_acc")
    assert test.max() == pytest.approx(0.943176, abs=1e-6)
    assert test.mean(dtype=float) == pytest.approx(0.896798, abs=1e-6)
    assert np.median(test) == pytest.approx(0.906384, abs=1e-6)
    assert test[0] == pytest.approx(0.920606, abs=1e-6)
    for target in ("val_acc", "val_acc_4", "val_acc_12", "val_acc_36"):
        assert len(nb101.candidates(target)) == 30_001
    assert nb101.label("val_acc")[0] == pytest.approx(0.930489, abs=1e-6)
    cell = json.loads(nb101.texts(0))
    assert len(cell["matrix"]) == len(cell["ops"]) == 7


def test_nb101_rows_carry_their_official_hash(nb101, data_dir):
    with np.load(data_dir / NB101) as arrays:
        hashes = arrays["hash"]
    for row in np.random.default_rng(0).integers(0, len(nb101), 40):
        cell = nb101.space.parse(nb101.texts(row))
        assert nb101.space.canonical_hash(cell) == hashes[row].tobytes().hex()


def test_nb101_loads_fast(data_dir):
    start = time.perf_counter()
    benchmarks.load("nb101", data_dir)
    assert time.perf_counter() - start < 5  # 0.4 s alone on the machine


def test_nb201(nb201):
    check_table(nb201)
    assert len(nb201) == 15_625
    assert nb201.texts(0) == (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
        "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    assert nb201.label("c10v_val")[0] == pytest.approx(0.819827)
    assert nb201.label("c10_test")[1] == pytest.approx(0.9366)
    assert nb201.label("c10v_test")[1] == pytest.approx(0.905133)
    assert nb201.label("c10_test").max() == pytest.approx(0.943733)
    assert len(nb201.candidates("c10v_val")) == 15_625


def test_labels_agree_as_published(nb101, nb201):
    assert benchmarks.ceiling(nb101, "val_acc", "test_acc") == pytest.approx(
        0.9015, abs=5e-5
    )
    for target, agreement in (("c10_test", 0.894), ("c10v_test", 0.954)):
        assert benchmarks.ceiling(nb201, "c10v_val", target) == pytest.approx(
            agreement, abs=5e-4
        )
    assert benchmarks.ceiling(nb201, "c10_val_12ep", "c10_test") == pytest.approx(
        0.594, abs=5e-4
    )
    assert benchmarks.ceiling(nb201, "oneshot", "c10_test") == pytest.approx(
        0.484, abs=5e-4
    )


def test_groups_are_those_of_the_canonical_hash(nb201):
    rows = np.random.default_rng(0).choice(len(nb201), 1500, replace=False)
    cells = nb201.space.all_architectures()
    hashes = [nb201.space.canonical_hash(cells[row]) for row in rows]
    pairs = set(zip(hashes, nb201.hashes[rows].tolist(), strict=True))
    assert len(pairs) == len(set(hashes)) == len(np.unique(nb201.hashes[rows]))
    assert nb201.hashes.max() + 1 == 8_765


def test_groups_of_relabelled_graphs():
    # A diamond with operations 1 and 2 in either order, and with 1 twice; then the
    # first again with its nodes in other slots and other values in the dead ones.
    edges = np.zeros((4, 6, 6), bool)
    edges[:3, [0, 0, 1, 2], [1, 2, 3, 3]] = True
    edges[3, [0, 0, 2, 4], [2, 4, 5, 5]] = True
    edges[3, 1, 2] = edges[3, 3, 5] = True
    ops = np.array(
        [[0, 1, 2, 3, 0, 0], [0, 2, 1, 3, 9, 9], [0, 1, 1, 3, 0, 0], [0, 7, 1, 8, 2, 3]]
    )
    mask = np.array([[1, 1, 1, 1, 0, 0]] * 3 + [[1, 0, 1, 0, 1, 1]], bool)
    assert group_ids(Graphs(ops, edges, mask)).tolist() == [0, 0, 1, 0]


def test_unknown_names_are_listed(nb201):
    with pytest.raises(
        ValueError,
        match=r"'nb401'; did you mean 'nb\d01'\? expected one of nb101, nb201",
    ):
        benchmarks.load("nb401")
    with pytest.raises(
        ValueError,
        match=r"unknown label 'val_acc'; (did you mean .* )?expected one of c10_test",
    ):
        nb201.candidates("val_acc")


@pytest.mark.parametrize(
    ("name", "file", "size"),
    [("nb101", NB101, "10.3 MB"), ("nb201", NB201, "3.3 MB")],
)
def test_missing_file_says_how_to_go_on(tmp_path, name, file, size):
    with pytest.raises(benchmarks.MissingData) as caught:
        benchmarks.load(name, tmp_path)
    message = str(caught.value)
    for part in (str(tmp_path / file), size, "make the file", "nb201digits"):
        assert part in message
    assert caught.value.path == tmp_path / file
    assert caught.value.official == file.split("/", maxsplit=1)[0]
    assert "\n" not in message
    assert isinstance(caught.value, ValueError)
    with pytest.raises(benchmarks.MissingData):
        benchmarks.load(name, tmp_path / "no" / "such" / "folder")


def test_file_without_its_folder_is_found(data_dir, tmp_path, nb201):
    shutil.copy(data_dir / NB201, tmp_path)
    assert benchmarks.load("nb201", tmp_path).sha256 == nb201.sha256


def one_line(name, folder):
    with pytest.raises(ValueError) as caught:
        benchmarks.load(name, folder)
    assert not isinstance(caught.value, benchmarks.MissingData)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 1_000_000, -100])
def test_damaged_nb101(data_dir, tmp_path, keep):
    data = (data_dir / NB101).read_bytes()
    (tmp_path / nasbench101.FILE).write_bytes(data[:keep])
    assert "damaged or no npz file" in one_line("nb101", tmp_path)


def nb101_arrays():
    """Two cells: input, conv3x3, output; and input, conv1x1, maxpool, output."""
    return {
        "hash": np.arange(32, dtype=np.uint8).reshape(2, 16),
        "num_vertices": np.array([3, 4], np.uint8),
        "edge_bits": np.array([0b101, 0b100101], np.uint32),
        "ops": np.array([[0, 255, 255, 255, 255], [1, 2, 255, 255, 255]], np.uint8),
        "test_acc_mean": np.array([0.9, 0.8], np.float32),
        "val_row": np.array([1], np.int32),
        "val_acc": np.array([[0.4, 0.5, 0.6, 0.7]], np.float32),
    }


def test_small_nb101(tmp_path):
    np.savez(tmp_path / nasbench101.FILE, **nb101_arrays())
    table = benchmarks.load("nb101", tmp_path)
    check_table(table)
    assert table.candidates("val_acc").tolist() == [1]
    assert table.label("val_acc_12")[1] == np.float32(0.5)
    assert json.loads(table.texts(1))["ops"] == [
        "input",
        "conv1x1-bn-relu",
        "maxpool3x3",
        "output",
    ]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("test_acc_mean", None, "lacks the array 'test_acc_mean'"),
        (
            "test_acc_mean",
            np.array([90, 80.0]),
            "row 0: expected an accuracy as a frac",
        ),
        ("val_row", np.array([2]), "val_row: expected rows in 0 .. 1"),
        ("ops", np.zeros((2, 4), np.uint8), r"ops: expected shape (2, 5), got (2, 4)"),
        ("num_vertices", np.array([3, 9]), "num_vertices: row 1"),
        ("hash", np.array([{}, {}]), "damaged or no npz"),
    ],
)
def test_wrong_nb101_arrays(tmp_path, column, value, message):
    arrays = nb101_arrays() | {column: value}
    if value is None:
        del arrays[column]
    np.savez(tmp_path / nasbench101.FILE, **arrays)
    assert message in one_line("nb101", tmp_path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[:100_000], "the file may be cut off"),
        (lambda text: text[: text.rindex("\n15000,") + 1], "15625 rows, got 15000"),
        (lambda text: "", "lacks the column 'index'"),
        (lambda text: "\0" + text, "lacks the column 'index'"),
        (
            lambda text: text.replace("c10_test_acc", "c10_tset_acc"),
            "lacks the column 'c10_test_acc'",
        ),
        (lambda text: text.replace(",85.8633,", ",eighty,", 1), "row 0: got 'eighty'"),
        (
            lambda text: text.replace(",85.8633,", ",8586.33,", 1),
            "row 0: expected an acc",
        ),
        (
            lambda text: text.replace("\n1,", "\n0,", 1),
            "row 1: arch_str: expected |avg",
        ),
        (
            lambda text: text.replace("\n1,", "\nx,", 1),
            "row 1: index: expected 0 .. 15",
        ),
    ],
)
def test_damaged_nb201(data_dir, tmp_path, edit, message):
    text = (data_dir / NB201).read_text()
    (tmp_path / nasbench201.FILE).write_text(edit(text))
    assert message in one_line("nb201", tmp_path)


def test_nb201_with_an_empty_field_in_any_row_order(data_dir, tmp_path, nb201):
    header, first, *rest = (data_dir / NB201).read_text().splitlines()
    lines = [header, *reversed(rest), first.replace(",81.9827,", ",,")]
    (tmp_path / nasbench201.FILE).write_text("\n".join(lines) + "\n")
    table = benchmarks.load("nb201", tmp_path)
    assert table.candidates("c10v_val").tolist() == list(range(1, 15_625))
    np.testing.assert_array_equal(table.label("c10_test"), nb201.label("c10_test"))

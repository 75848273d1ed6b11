"""Accel-NASBench, real and damaged."""

import json
import shutil

import jax
import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import accel_nasbench
from tnasp_jax.benchmarks.accel_nasbench import FILE, FOLDER, SPLIT_FILE


@pytest.fixture(scope="module")
def accel(data_dir):
    return benchmarks.load("accel", data_dir)


@pytest.fixture
def copy(data_dir, tmp_path):
    """Both files in a folder of their own, without that of the benchmark."""
    for file in (FILE, SPLIT_FILE):
        shutil.copyfile(data_dir / FOLDER / file, tmp_path / file)
    return tmp_path


def test_the_table(accel):
    assert (len(accel), accel.space.name) == (5_138, "mnasnet")
    assert len(np.unique(accel.hashes)) == 5_125
    top1 = accel.label("top1")
    assert top1.dtype == np.float32
    assert (top1.min(), top1.max()) == pytest.approx((0.4285, 0.6705), abs=5e-5)
    assert np.median(top1) == pytest.approx(0.6071, abs=5e-5)
    assert top1[0] == pytest.approx(0.59368)
    assert accel.train_target in accel.eval_targets
    for sentence in accel.describe.values():
        assert "one seed" in sentence and "shortened scheme" in sentence
        assert "fraction" in sentence
    first = json.loads(accel.texts(0))
    assert first["e"] == [6, 4, 6, 6, 6, 1, 1] and first["l"] == [1, 2, 3, 3, 2, 2, 2]
    for row in (0, 2000, 5137):
        graph = accel.space.to_graphs([accel.space.parse(accel.texts(row))])
        np.testing.assert_array_equal(graph.ops[0], accel.graphs.ops[row])
        np.testing.assert_array_equal(graph.adjacency[0], accel.graphs.adjacency[row])


def test_what_else_was_measured(accel):
    assert tuple(accel.costs) == accel_nasbench.COSTS
    assert all(values.shape == (5_138,) for values in accel.costs.values())
    assert sum(np.isnan(values).sum() for values in accel.costs.values()) == 92
    assert accel.costs["macs_m"][0] == pytest.approx(415.361072)
    assert accel.costs["throughput_a100"][1] == pytest.approx(8937.17368)


def test_the_published_split(accel, data_dir):
    split = accel_nasbench.published_split(data_dir)
    assert [len(rows) for rows in split] == [4_100, 512, 512]
    assert len(set(np.concatenate(split).tolist())) == 5_124
    assert split.train_index[:3].tolist() == [0, 3, 4]
    np.testing.assert_array_equal(accel.test_rows, split.test_index)
    kept = benchmarks.heldout_mask(accel, split.train_index)
    assert kept[split.test_index].all()


@pytest.mark.parametrize("target", ["top1", "top5"])
def test_rankings_are_over_the_published_test_networks(accel, target):
    for seed in range(3):
        split = benchmarks.draw_split(
            accel, jax.random.key(seed), 1_000, 200, train_target=target
        )
        drawn = np.concatenate([split.train_index, split.val_index])
        assert len(set(drawn.tolist())) == 1_200
        assert not np.isin(drawn, accel.test_rows).any()
        np.testing.assert_array_equal(split.test_index, accel.test_rows)
    split = benchmarks.draw_split(accel, jax.random.key(0), 100, 0, n_test=50)
    assert len(split.test_index) == 50
    assert np.isin(split.test_index, accel.test_rows).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((4_600, 100), "more than the 4626 rows"),
        ((10, 10, 513), "n_test = 513 is more than the 512 rows"),
    ],
)
def test_impossible_sizes(accel, sizes, message):
    with pytest.raises(ValueError, match=message):
        benchmarks.draw_split(accel, jax.random.key(0), *sizes)


@pytest.mark.parametrize("missing", [FILE, SPLIT_FILE])
def test_missing_file_says_how_to_go_on(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(benchmarks.MissingData) as caught:
        benchmarks.load("accel", copy)
    message = str(caught.value)
    for part in (str(copy), missing, "docs/chains.md"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        (FILE, lambda text: text[:100_000], "the file may be cut off"),
        (
            FILE,
            lambda text: text.replace("val_top1", "top1", 1),
            "lacks the column 'val_",
        ),
        (FILE, lambda text: text.replace(",59.368,", ",best,", 1), "row 0: got 'best'"),
        (
            FILE,
            lambda text: text.replace(",59.368,", ",5936,", 1),
            "row 0: expected an acc",
        ),
        (
            FILE,
            lambda text: text.replace("\n0,6,3,1", "\n0,6,7,1", 1),
            r"row 0: mnasnet: k\[0\]",
        ),
        (
            FILE,
            lambda text: text.replace("\n0,6,3,1", "\n0,x,3,1", 1),
            r"e\[0\]: .* got 'x'",
        ),
        (
            FILE,
            lambda text: text.replace("\n1,", "\n0,", 1),
            "id: expected 0 .. 5137 in order",
        ),
        (
            FILE,
            lambda text: text.replace(",2660.43,", ",slow,", 1),
            "row 0: got 'slow', exp",
        ),
        (SPLIT_FILE, lambda text: text[:100], "expected lists train, val and test"),
        (
            SPLIT_FILE,
            lambda text: text.replace('"val"', '"dev"'),
            "expected lists train, val",
        ),
        (
            SPLIT_FILE,
            lambda text: text.replace("[1, 2,", "[1, 1,"),
            "of different ids in 0",
        ),
        (SPLIT_FILE, lambda text: text.replace("[1, 2,", "[1, 5138,"), "0 .. 5137"),
        (
            SPLIT_FILE,
            lambda text: '{"train": [[1]], "val": [2], "test": [3]}',
            "0 .. 5137",
        ),
    ],
)
def test_damaged_files(copy, file, edit, message):
    path = copy / file
    text = path.read_text()
    assert edit(text) != text
    path.write_text(edit(text))
    with pytest.raises(ValueError, match=message) as caught:
        benchmarks.load("accel", copy)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)

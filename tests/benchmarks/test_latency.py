"""Latency tables: sums of their entries, what lies between, what is missing."""

import csv
import shutil

import jax
import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import latency
from tnasp_jax.benchmarks.latency import FOLDER
from tnasp_jax.spaces import MNASNET, OFA_MOBILENETV3, PROXYLESSNAS

NOTE10 = [f"ofa_note10_{size}.csv" for size in (160, 176, 192, 208, 224)]


def _times(data_dir, file) -> dict[str, float]:
    with (data_dir / FOLDER / file).open(newline="") as lines:
        return {row["op"]: float(row["mean_ms"]) for row in csv.DictReader(lines)}


def _fixed_resolution(space, size, count=20, seed=0):
    sampled = space.sample(jax.random.key(seed), count)
    return [(*one[:3], size, one[4]) for one in sampled]


def _pixel(times, architecture) -> float:
    """A ProxylessNAS network, by the names of its layers in the table."""
    total = times["Conv-input:224x224x3-output:112x112x32"]
    total += times[
        "expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-"
        "idskip:0"
    ]
    total += times["Conv_1-input:7x7x320-output:7x7x1280"]
    total += times["Logits-input:7x7x1280-output:1000"]
    side, channels = 112, 16
    for place, name in enumerate(architecture[0]):
        stage, at = divmod(place, 4)
        width = (24, 40, 80, 96, 192, 320)[stage]
        stride = (2, 2, 2, 1, 2, 1)[stage] if at == 0 else 1
        if name == "Identity":
            continue
        total += times[
            f"expanded_conv-input:{side}x{side}x{channels}-output:"
            f"{side // stride}x{side // stride}x{width}-expand:{name[-1]}-"
            f"kernel:{name[0]}-stride:{stride}-idskip:{int(at > 0)}"
        ]
        side, channels = side // stride, width
    return total


def _note10(times, architecture) -> float:
    """An OFA network of width 1.2, as the authors look its layers up."""
    kernels, expansions, depths, size, _ = architecture
    side, channels = -(-size // 2), 24
    total = times[f"Conv-input:{size}x{size}x3-output:{side}x{side}x24"]
    total += times[
        f"expanded_conv-input:{side}x{side}x24-output:{side}x{side}x24-expand:24-"
        "kernel:3-stride:1-idskip:1-se:0-hs:0"
    ]
    for place, (kernel, expansion) in enumerate(zip(kernels, expansions, strict=True)):
        stage, at = divmod(place, 4)
        if at >= depths[stage]:
            continue
        stride = (2, 2, 2, 1, 2)[stage] if at == 0 else 1
        after, width = -(-side // stride), (32, 48, 96, 136, 192)[stage]
        total += times[
            f"expanded_conv-input:{side}x{side}x{channels}-output:{after}x{after}x{width}-"
            f"expand:{channels * expansion}-kernel:{kernel}-stride:{stride}-"
            f"idskip:{int(at > 0)}-se:{int(stage in (1, 3, 4))}-hs:{int(stage > 1)}"
        ]
        side, channels = after, width
    total += times[f"Conv_1-input:{side}x{side}x192-output:{side}x{side}x1152"]
    total += times[f"AvgPool2D-input:{side}x{side}x1152-output:1x1x1152"]
    total += times["Conv_2-input:1x1x1152-output:1x1x1536"]
    return total + times["Logits-input:1x1x1536-output:1000"]


def test_pixel_is_the_sum_of_the_entries(data_dir):
    times = _times(data_dir, "proxylessnas_mobile_trim.csv")
    sampled = PROXYLESSNAS.sample(jax.random.key(0), 50)
    table = latency.read("proxyless_pixel", data_dir)
    found = jax.jit(latency.of_space(table, PROXYLESSNAS))(
        PROXYLESSNAS.to_graphs(sampled)
    )
    np.testing.assert_allclose(
        found, [_pixel(times, one) for one in sampled], rtol=1e-5
    )
    assert "milliseconds" in table.describe and len(table.sha256) == 64


@pytest.fixture(scope="module")
def note10(data_dir):
    table = latency.read("ofa_note10", data_dir)
    return jax.jit(latency.of_space(table, OFA_MOBILENETV3))


def test_note10_is_the_sum_of_the_entries(data_dir, note10):
    for file in NOTE10:
        size = int(file[-7:-4])
        sampled = _fixed_resolution(OFA_MOBILENETV3, size)
        times = _times(data_dir, file)
        found = note10(OFA_MOBILENETV3.to_graphs(sampled))
        np.testing.assert_allclose(
            found, [_note10(times, s) for s in sampled], rtol=1e-5
        )


def test_between_two_sides_is_a_straight_line(note10):
    def at(size):
        sampled = _fixed_resolution(OFA_MOBILENETV3, size)
        return np.asarray(note10(OFA_MOBILENETV3.to_graphs(sampled)))

    np.testing.assert_allclose(at(196), 0.75 * at(192) + 0.25 * at(208), rtol=1e-5)
    np.testing.assert_allclose(at(220), 0.25 * at(208) + 0.75 * at(224), rtol=1e-5)
    assert np.isnan(at(156)).all() and np.isnan(at(228)).all()


def test_what_the_table_lacks_is_nan(note10):
    narrow = [(*one[:4], 1.0) for one in _fixed_resolution(OFA_MOBILENETV3, 224)]
    assert np.isnan(note10(OFA_MOBILENETV3.to_graphs(narrow))).all()
    graphs = OFA_MOBILENETV3.to_graphs(_fixed_resolution(OFA_MOBILENETV3, 224))
    graphs.ops[0, 3] = 99
    assert np.flatnonzero(np.isnan(note10(graphs))).tolist() == [0]


def test_one_missing_entry(data_dir, tmp_path, monkeypatch):
    file = "proxylessnas_mobile_trim.csv"
    lines = (data_dir / FOLDER / file).read_text().splitlines()
    lost = "14x14x80-output:14x14x96-expand:6-kernel:7"
    kept = [line for line in lines if lost not in line]
    (tmp_path / file).write_text("\n".join(kept) + "\n")
    monkeypatch.setitem(
        latency._SOURCES,
        "proxyless_pixel",
        latency._SOURCES["proxyless_pixel"]._replace(rows=len(kept) - 1),
    )
    times = latency.of_space(latency.read("proxyless_pixel", tmp_path), PROXYLESSNAS)
    sampled = PROXYLESSNAS.sample(jax.random.key(0), 60)
    needs = [one[0][12] == "7x7_MBConv6" for one in sampled]
    assert any(needs)
    found = np.isnan(times(PROXYLESSNAS.to_graphs(sampled)))
    assert found.tolist() == needs


def test_i7_knows_both_widths_and_41_sides(data_dir):
    table = latency.read("nsganetv2_i7", data_dir)
    assert list(table.milliseconds) == list(range(96, 260, 4))
    sampled = [
        (*one[:3], r, w)
        for one in OFA_MOBILENETV3.sample(jax.random.key(0), 5)
        for r in range(96, 260, 4)
        for w in (1.0, 1.2)
    ]
    times = latency.of_space(table, OFA_MOBILENETV3)
    found = np.asarray(times(OFA_MOBILENETV3.to_graphs(sampled)))
    assert np.isfinite(found).all() and found.min() > 1


def test_a_published_latency(data_dir, note10):
    """`note10_lat-30ms`, width 1.2 at 224: 30 ms by its authors."""
    kernels = [3, 3, 3, 3, 5, 3, 3, 3, 5, 5, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    expansions = [3, 3, 3, 3, 4, 3, 4, 3, 4, 4, 3, 3, 6, 4, 4, 3, 6, 6, 4, 3]
    one = (tuple(kernels), tuple(expansions), (2, 3, 3, 3, 4), 224, 1.2)
    assert note10(OFA_MOBILENETV3.to_graphs([one]))[0] == pytest.approx(30, abs=0.1)


def test_mistakes(data_dir, tmp_path):
    with pytest.raises(
        ValueError, match=r"unknown latency table 'note10'; did you mean 'ofa_note10'\?"
    ):
        latency.read("note10")
    with pytest.raises(benchmarks.MissingData, match="make the file ofa_note10_160"):
        latency.read("ofa_note10", tmp_path)
    table = latency.read("ofa_note10", data_dir)
    with pytest.raises(
        ValueError, match="complete for no network of the space mnasnet"
    ):
        latency.of_space(table, MNASNET)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",4.083755600814664,", ",fast,", "row 0: expected another layer"),
        (",4.083755600814664,", ",-1,", "row 0: expected another layer"),
        ("Conv-input:224x224x3", "Conv:224x224x3", "row 0: expected another layer"),
        (
            "Logits-input:7x7x1280",
            "Soft-input:7x7x1280",
            "row 2: expected another layer",
        ),
        ("-kernel:5-stride:2", "-kernel:3-stride:2", "row 4: expected another layer"),
        ("mean_ms", "mean", "lacks the column 'mean_ms'"),
    ],
)
def test_damaged_tables(data_dir, tmp_path, old, new, message):
    path = tmp_path / "proxylessnas_mobile_trim.csv"
    shutil.copyfile(data_dir / FOLDER / path.name, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        latency.read("proxyless_pixel", tmp_path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)

"""The OFA surrogates against their authors' outputs, and what they do not know."""

import csv
import shutil

import jax
import jax.export
import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import ofa_surrogates
from tnasp_jax.benchmarks.ofa_surrogates import FOLDER, NAMES

REFERENCE = {
    "ofa_mobilenetv3_surrogate": ("ofa_mbv3_w12", 1.0),
    "ofa_proxyless_surrogate": ("ofa_proxyless", 100.0),
}
"""The column of an output, and what a fraction is multiplied by there."""

every_surrogate = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def rows(data_dir):
    with (data_dir / FOLDER / "reference_predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _architectures(space, rows, last=3):
    """Those of the reference; the sixth stage, of ProxylessNAS alone, is not there."""
    extra = space.skeleton.num_places - 20
    return [
        space.from_dict(
            {
                "ks": [*map(int, row["ks"].split()), *[last] * extra],
                "e": [*map(int, row["e"].split()), *[6] * extra],
                "d": [*map(int, row["d"].split()), *[1] * extra],
                "r": int(row["r"]),
            }
        )
        for row in rows
    ]


@every_surrogate
def test_outputs_are_the_authors(data_dir, rows, name):
    surrogate = ofa_surrogates.read(name, data_dir)
    column, unit = REFERENCE[name]
    graphs = surrogate.space.to_graphs(_architectures(surrogate.space, rows))
    found = jax.jit(surrogate.apply)(surrogate.params, graphs)
    wanted = np.array([float(row[column]) for row in rows])
    assert len(wanted) == 202
    np.testing.assert_allclose(np.asarray(found) * unit, wanted, rtol=0, atol=1e-4)


def test_the_last_layer_of_proxylessnas_is_not_read(data_dir, rows):
    surrogate = ofa_surrogates.read("ofa_proxyless_surrogate", data_dir)
    graphs = [
        surrogate.space.to_graphs(_architectures(surrogate.space, rows[:5], last))
        for last in (3, 5)
    ]
    scores = [surrogate.apply(surrogate.params, batch) for batch in graphs]
    np.testing.assert_array_equal(*scores)


@every_surrogate
def test_people_are_told_what_it_is(data_dir, name):
    surrogate = ofa_surrogates.read(name, data_dir)
    assert "surrogate" in surrogate.name
    assert surrogate.describe.startswith("surrogate, not measured: ")
    assert "fraction" in surrogate.describe and len(surrogate.sha256) == 64
    sampled = surrogate.space.sample(jax.random.key(0), 200)
    scores = surrogate.apply(surrogate.params, surrogate.space.to_graphs(sampled))
    assert ((scores > 0.5) & (scores < 0.9)).all()


def test_what_it_does_not_know_is_nan(data_dir):
    surrogate = ofa_surrogates.read("ofa_mobilenetv3_surrogate", data_dir)
    one = surrogate.space.sample(jax.random.key(0), 1)[0]
    cases = [(112, 1.2), (224, 1.2), (96, 1.2), (228, 1.2), (240, 1.2), (224, 1.0)]
    graphs = surrogate.space.to_graphs([(*one[:3], r, w) for r, w in cases])
    known = np.isfinite(surrogate.apply(surrogate.params, graphs))
    assert known.tolist() == [True, True, False, False, False, False]
    graphs.mask[0] = False
    assert np.isnan(surrogate.apply(surrogate.params, graphs)[0])
    with pytest.raises(ValueError, match="Graphs.ops: expected 24 node slots, got 23"):
        surrogate.apply(
            surrogate.params,
            surrogate.space.to_graphs([]).replace(ops=graphs.ops[:, 1:]),
        )


def test_mistakes(data_dir, tmp_path):
    with pytest.raises(
        ValueError, match="unknown surrogate 'ofa'; expected one of ofa_mob"
    ):
        ofa_surrogates.read("ofa")
    with pytest.raises(benchmarks.MissingData, match="make the file ofa_") as caught:
        ofa_surrogates.read(NAMES[0], tmp_path)
    assert "\n" not in str(caught.value)
    path = tmp_path / "ofa_mbv3_w12.npz"
    shutil.copyfile(data_dir / FOLDER / path.name, path)
    with np.load(path) as arrays:
        layers = dict(arrays)
    np.savez(path, **layers | {"W0": layers["W0"].T})
    with pytest.raises(
        ValueError, match=r"W0: expected finite numbers of shape \(400, 128"
    ):
        ofa_surrogates.read(NAMES[0], tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged or no npz file"):
        ofa_surrogates.read(NAMES[0], tmp_path)

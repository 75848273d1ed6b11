"""Exporting a run: the bytes score as the run does, without the package."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import export, runs
from tnasp_jax.predictors import PREDICTORS, Predictor
from tnasp_jax.spaces import DARTS, MNASNET, NASBENCH101, NASBENCH201
from tnasp_jax.training.labels import fit_scale

pytest.importorskip("flatbuffers", reason="the extra export is not installed")

SIZES = (1, 3, 17)
LABELS = 12
# Every predictor on the smallest space, and every kind of space.
CASES = [(name, NASBENCH201) for name in PREDICTORS] + [
    ("tnasp", NASBENCH101),
    ("renas", NASBENCH101),
    ("trees", NASBENCH101),
    ("gp", DARTS),
    ("gp", MNASNET),
]
# Their programs are parts of others here: exported, but not compiled again.
_PARTS = {"tnasp_nopos", "tnasp_unmasked", "pinat_rank", "dagnet", "dagnet_graph"}
_PARTS |= {"forest"}


def made(name, space, draws=2):
    """A run whose parameters are those of `init`, with labels of its own."""
    predictor = PREDICTORS[name](space)
    graphs = space.to_graphs(space.sample(jax.random.key(0), LABELS))
    keys = jax.random.split(jax.random.key(1), draws)
    labels = jax.random.uniform(jax.random.key(2), (draws, LABELS), minval=0.6)
    return runs.Run(
        space=space,
        predictor_name=name,
        params={
            "network": jax.jit(jax.vmap(predictor.init, (0, None)))(keys, graphs),
            "scale": jax.vmap(lambda values: fit_scale(values, "rank"))(labels),
        },
        target="c10_val",
        description="validation accuracy of something",
    )


def batch(space, size, seed=3):
    """Texts and the inputs of an exported function."""
    cells = space.sample(jax.random.key(seed), size)
    graphs = space.to_graphs(cells)
    inputs = (np.asarray(graphs.ops, np.int32), graphs.adjacency, graphs.mask)
    return [space.format(cell) for cell in cells], inputs


def call(data, inputs):
    return np.asarray(jax.export.deserialize(bytearray(data)).call(*inputs))


@pytest.fixture(scope="module")
def run():
    return made("regression_nas", NASBENCH201)


@pytest.fixture(scope="module")
def data(run):
    return export.to_bytes(run)


@pytest.mark.parametrize("size", SIZES)
def test_scores_are_those_of_predict(run, data, size):
    texts, inputs = batch(NASBENCH201, size)
    scores = call(data, inputs)
    assert scores.shape == (size,) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, run.predict(texts), rtol=0, atol=1e-6)
    assert size == 1 or len(np.unique(scores)) == size


@pytest.mark.parametrize(
    ("name", "space"), CASES, ids=[f"{name}-{space.name}" for name, space in CASES]
)
def test_every_predictor_can_be_exported(name, space):
    one = made(name, space, draws=1)
    exported = export.to_bytes(one)
    if name in _PARTS:
        return
    texts, inputs = batch(space, 5)
    scores = call(exported, inputs)
    np.testing.assert_allclose(scores, one.predict(texts), rtol=0, atol=1e-6)


def test_a_row_that_is_no_graph_is_nan(data):
    _, (ops, adjacency, mask) = batch(NASBENCH201, 3)
    scores = call(data, (ops, adjacency, mask & [[True], [False], [True]]))
    np.testing.assert_array_equal(np.isnan(scores), [False, True, False])


def test_the_platforms(run, data):
    program = jax.export.deserialize(bytearray(data))
    assert program.platforms == ("cpu", "cuda", "tpu")
    shapes = [(str(leaf.shape), str(leaf.dtype)) for leaf in program.in_avals]
    assert shapes == [("(b, 8)", "int32"), ("(b, 8, 8)", "bool"), ("(b, 8)", "bool")]
    one = jax.export.deserialize(bytearray(export.to_bytes(run, platforms=["tpu"])))
    assert one.platforms == ("tpu",)


def test_the_example_is_what_goes_in(run, data):
    about = export.describe(run, data)
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert list(about["ops"]) == list(NASBENCH201.ops)
    example = about["example"]

    def row(text):
        return [int(value) for value in text.split()]

    inputs = (
        np.array([row(example["ops"])], np.int32),
        np.array([[row(line) for line in example["adjacency"]]], bool),
        np.array([row(example["mask"])], bool),
    )
    np.testing.assert_allclose(call(data, inputs), example["score"], atol=1e-6)


OUTSIDE = """
import sys
import numpy as np
ops, adjacency, mask = np.load("in.npz").values()
{load}
assert "tnasp_jax" not in sys.modules
np.save("scores.npy", scores)
"""


def test_a_process_without_the_package_loads_it(run, tmp_path):
    about = export.save(run, tmp_path / "model.bin")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.bin", "model.bin.json"]
    assert json.loads((tmp_path / "model.bin.json").read_text()) == about
    texts, (ops, adjacency, mask) = batch(NASBENCH201, 17)
    np.savez(tmp_path / "in.npz", ops=ops, adjacency=adjacency, mask=mask)
    program = OUTSIDE.format(load="\n".join(about["load"]))
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(scores, run.predict(texts), rtol=0, atol=1e-6)


# What cannot be exported.


def leaves_jax(scores):
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    return scores + jax.pure_callback(lambda total: total, shape, jnp.sum(scores))


def asks_for_the_size(scores):
    return scores if scores.shape[0] > 3 else 2 * scores


@pytest.mark.parametrize("habit", [leaves_jax, asks_for_the_size])
def test_a_predictor_that_cannot_be_exported_says_so(run, monkeypatch, habit):
    def bad(space) -> Predictor:
        good = PREDICTORS["regression_nas"](space)
        return good._replace(apply=lambda *args: habit(good.apply(*args)))

    monkeypatch.setitem(PREDICTORS, "bad", bad)
    other = runs.Run(
        space=run.space,
        predictor_name="bad",
        params=run.params,
        target="c10_val",
        description="",
    )
    with pytest.raises(ValueError, match="^predictor 'bad' cannot be exp") as caught:
        export.to_bytes(other)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("platforms", [[], ["gpu"], ["cpu", "cpu"]])
def test_unknown_platforms_are_refused(run, platforms):
    with pytest.raises(ValueError, match="expected distinct names of cpu, cuda, tpu"):
        export.to_bytes(run, platforms=platforms)


def test_without_flatbuffers(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(ValueError, match=r"flatbuffers; pip install .*\[export\]"):
        export.to_bytes(run)

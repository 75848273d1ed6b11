"""The surrogate of NAS-Bench-301 against its stored values, and what it does not know."""

import json
import shutil
import sys

import jax
import jax.export
import numpy as np
import pytest

from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import messages, yahpo_surrogate
from tnasp_jax.benchmarks.yahpo_surrogate import FILE, FOLDER, NAME
from tnasp_jax.spaces.darts import DARTS, edges_of
from tnasp_jax.spaces.darts_genotypes import OPERATIONS


@pytest.fixture(scope="module")
def surrogate(data_dir):
    return benchmarks.load_surrogate(NAME, data_dir)


@pytest.fixture(scope="module")
def score(surrogate):
    return jax.jit(lambda graphs: surrogate.apply(surrogate.params, graphs))


def test_outputs_are_the_stored_ones(data_dir, score):
    table = benchmarks.load("nb301yahpo", data_dir)
    stored = table.label("yahpo_val")  # In percent with four decimals.
    assert len(stored) == 11_221
    np.testing.assert_allclose(score(table.graphs), stored, rtol=0, atol=1e-6)


def test_codes_are_those_of_the_authors(data_dir):
    path = data_dir / FOLDER / "yahpo_encoding.json"
    encoding = json.loads(path.read_text())
    genotypes = DARTS.sample(jax.random.key(0), 50)
    found, known = yahpo_surrogate.codes(DARTS.to_graphs(genotypes))
    assert known.all() and found.shape == (50, 34)
    names = [f"edge_{c}_{n}" for c in ("normal", "reduce") for n in range(14)]
    names += [f"inputs_node_{c}_{n}" for c in ("normal", "reduce") for n in (3, 4, 5)]
    for row, genotype in zip(np.asarray(found), genotypes, strict=True):
        chosen = dict.fromkeys(names, "#na#")
        for cell, edges in zip(("normal", "reduce"), genotype.cells, strict=True):
            for node in range(2, 6):
                pair = sorted(edges[2 * node - 4 : 2 * node - 2], key=lambda e: e[1])
                for op, source in pair:
                    number = (0, 2, 5, 9)[node - 2] + source
                    chosen[f"edge_{cell}_{number}"] = op
                if node > 2:
                    text = f"{pair[0][1]}_{pair[1][1]}"
                    chosen[f"inputs_node_{cell}_{node}"] = text
        prefix = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
        wanted = [encoding[prefix + name][chosen[name]] for name in names]
        assert row.tolist() == wanted


def test_edges_come_back_from_graphs():
    genotypes = DARTS.sample(jax.random.key(1), 20)
    ops, sources = jax.jit(edges_of)(DARTS.to_graphs(genotypes))
    for row, genotype in enumerate(genotypes):
        for cell, edges in enumerate(genotype.cells):
            found = [
                (OPERATIONS[op], source)
                for op, source in zip(
                    ops[row, cell].tolist(), sources[row, cell].tolist(), strict=True
                )
            ]
            for node in range(0, 8, 2):
                assert sorted(found[node : node + 2]) == sorted(edges[node : node + 2])


def test_what_it_does_not_know_is_nan(score):
    one, other = DARTS.sample(jax.random.key(2), 2)
    without = DARTS.parse(
        DARTS.format(one).replace(f"('{one.normal[3][0]}'", "('none'", 1)
    )
    graphs = DARTS.to_graphs([one, without, other])
    graphs.mask[2] = False
    assert np.isfinite(score(graphs)).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="expected 30 node slots, got 29"):
        yahpo_surrogate.codes(graphs.replace(ops=graphs.ops[:, 1:]))


def test_people_are_told_what_it_is(surrogate):
    assert surrogate.describe.startswith("surrogate, not measured: ")
    assert "surrogate" in surrogate.name and "surrogate" in surrogate.target
    assert len(surrogate.sha256) == 64


def test_mistakes(data_dir, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="did you mean 'nb301yahpo_surrogate'"):
        benchmarks.load_surrogate("nb301yahpo_surogate")
    with pytest.raises(benchmarks.MissingData, match="github.com/slds-lmu/yahpo_data"):
        yahpo_surrogate.read(tmp_path)
    path = tmp_path / FILE
    shutil.copyfile(data_dir / FOLDER / FILE, path)
    data = path.read_bytes()
    path.write_bytes(data[:10_000])
    with pytest.raises(ValueError, match="damaged or no ONNX file"):
        yahpo_surrogate.read(tmp_path)
    path.write_bytes(data.replace(b"deeper.3.1.bias", b"deeper.9.1.bias"))
    with pytest.raises(ValueError, match="the array deeper.3.1.bias is missing"):
        yahpo_surrogate.read(tmp_path)
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ValueError, match=r"needs protobuf: pip install '.\[data"):
        yahpo_surrogate.read(data_dir)


def test_messages_pass_over_what_is_not_described():
    fields = {"number": messages.Field(3, "int32"), "name": messages.Field(4, "string")}
    made = messages.message_class("One", {"One": fields}, "a file")
    part = messages.message_class("One", {"One": {"name": fields["name"]}}, "a file")
    assert part.FromString(made(number=7, name="x").SerializeToString()).name == "x"

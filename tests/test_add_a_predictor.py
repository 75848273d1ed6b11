"""docs/add_a_predictor.md, run as printed: the file, the line, the flags, the command."""

import importlib.util
import inspect
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import jax
import jax.export
import numpy as np
import pytest

import tnasp_jax
from experiments import nb201
from experiments.shell import command, devices
from tnasp_jax import benchmarks, metrics

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "add_a_predictor.md").read_text()
CONTRACT = ROOT / "tests" / "predictors" / "test_predictor_contract.py"


def block(name) -> str:
    """The code that stands under a mark of the page."""
    found = re.search(
        rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", PAGE, re.S
    )
    assert found, f"the page has no block {name}"
    return found[1]


def module_at(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """The page's file, registered by the page's line, and its flag file."""
    path = tmp_path / "bigrams.py"
    path.write_text(block("file"))
    line = eval(f"{{{block('line')}}}", {"bigrams": module_at(path).bigrams})
    monkeypatch.setitem(tnasp_jax.PREDICTORS, *line.popitem())
    flagfile = tmp_path / "nb201_bigrams.flags"
    flagfile.write_text(block("flags"))
    shutil.copy(ROOT / "experiments/flagfiles/paper_protocol.flags", tmp_path)
    return flagfile


def printed_command(flagfile, *more) -> list[str]:
    """The page's command with our paths in it."""
    words = shlex.split(block("command"))
    assert words[:3] == ["python", "-m", "experiments.nb201"]
    changed = {"--flagfile": flagfile, "--workdir": flagfile.parent / "run"}
    given = [word.partition("=") for word in words[3:] if word.strip()]
    return [f"{flag}={changed.get(flag, text)}" for flag, _, text in given] + list(more)


def exit_code(arguments, monkeypatch) -> int:
    # tests/conftest.py has set the number of devices already.
    monkeypatch.setattr(devices, "use_all_cores", lambda: None)
    with pytest.raises(SystemExit) as end:
        command.run(nb201.main, command.define_shared, arguments)
    return end.value.code or 0


def test_the_page_ranks_cells_far_above_chance(registered, monkeypatch):
    arguments = printed_command(registered, "--seeds=0,1,2,3", "--quiet")
    assert exit_code(arguments, monkeypatch) == 0
    folder = registered.parent / "run"
    taus = json.loads((folder / "results.json").read_text())["kendall_tau"]["per_seed"]
    with np.load(folder / "predictions.npz") as saved:
        rows = saved["train_index"]
    assert min(taus) > 0.4 and np.mean(taus) > np.mean(shuffled_taus(rows)) + 0.3


def shuffled_taus(rows) -> list[float]:
    """What the same training makes of the labels in another order; rows [S, n]."""
    table = benchmarks.load("nb201digits")
    predictor = tnasp_jax.get_predictor("bigrams", table.space)
    config = tnasp_jax.FitConfig(epochs=100, learning_rate=1e-3)
    accuracy = table.label("digits_val")

    def scores(train, labels, key):
        params, _ = tnasp_jax.fit(predictor, train, labels, key, config)
        return predictor.apply(params, table.graphs)

    keys = jax.random.split(jax.random.key(0), len(rows))
    shuffled = np.random.default_rng(0).permuted(accuracy[rows], axis=1)
    units = (shuffled - shuffled.mean()) / shuffled.std()
    found = jax.jit(jax.vmap(scores))(table.graphs[rows], units, keys)
    truth = table.label("digits_test")
    return [metrics.kendall_tau_host(np.asarray(each), truth) for each in found]


def test_the_page_keeps_the_contract_of_predictors(registered):
    contract = module_at(CONTRACT)
    entry = eval(block("entry").strip().rstrip(","), vars(contract))
    assert entry.name == "bigrams"
    checks = [
        check
        for name, check in vars(contract).items()
        if name.startswith("test_")
        and list(inspect.signature(check).parameters) == ["entry"]
    ]
    assert len(checks) > 8
    for check in checks:
        check(entry)
    contract.test_what_stands_in_dead_slots_changes_nothing(entry, 99)


def test_the_pages_predictor_is_exported_for_any_batch_size(registered):
    space = tnasp_jax.get_space("nasbench201")
    graphs = space.to_graphs(space.sample(jax.random.key(0), 3))
    predictor = tnasp_jax.get_predictor("bigrams", space)
    params = predictor.init(jax.random.key(1), graphs)
    score = jax.jit(lambda graphs: predictor.apply(params, graphs))
    (batch,) = jax.export.symbolic_shape("b")
    symbolic = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((batch, *leaf.shape[1:]), leaf.dtype), graphs
    )
    exported = jax.export.export(score)(symbolic)
    np.testing.assert_allclose(exported.call(graphs), score(graphs), rtol=1e-5)


def test_from_outside_a_name_in_the_registry_is_enough(registered, monkeypatch):
    name = "bigrams"
    arguments = printed_command(registered, "--seeds=0,1", "--epochs=2", "--quiet")
    monkeypatch.delitem(tnasp_jax.PREDICTORS, name)
    assert exit_code(arguments, monkeypatch) == 2  # Nobody knows it yet.
    monkeypatch.syspath_prepend(registered.parent)
    exec(block("outside"), {})
    start = block("start").replace("define_shared)", "define_shared, arguments)")
    with pytest.raises(SystemExit) as end:
        exec(start, {"arguments": arguments})
    assert not end.value.code
    run = tnasp_jax.load(registered.parent / "run")
    assert np.isfinite(run.predict([run.space.format((3,) * 6)])).all()
    monkeypatch.delitem(tnasp_jax.PREDICTORS, name)
    with pytest.raises(ValueError, match="unknown predictor 'bigrams'"):
        tnasp_jax.load(registered.parent / "run")
    sys.modules.pop(name, None)


def test_the_pages_links_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_file_is_as_short_as_the_page_says():
    lines = [line for line in block("file").splitlines() if line.strip()]
    assert len(lines) <= 30

"""Recipes compared on validation cells: what is judged, what is written."""

import json

import jax
import numpy as np
import pytest

from experiments import choose
from experiments.cells.draws import draw_data
from tnasp_jax import metrics
from tnasp_jax.predictors import get_predictor
from tnasp_jax.training import supervised

FLAGS = (
    "--table=digits",
    "--predictor=tiny",
    "--n_train=12",
    "--n_val=16",
    "--epochs=6",
    "--learning_rate=1e-2",
    "--seeds=100,101,102",
    "--quiet",
)


@pytest.fixture
def run(commands):
    def run_choose(*arguments, table="nb201"):
        return commands.call(
            choose.main, choose.define, [table, *FLAGS, *arguments], "TABLE"
        )

    return run_choose


def test_each_recipe_is_judged_on_the_validation_cells(
    run, tmp_path, capsys, monkeypatch
):
    cells = []
    judged = choose.judged

    def recorded(cell, table):
        cells.append((cell, table, judged(cell, table)))
        return cells[-1][2]

    monkeypatch.setattr(choose, "judged", recorded)
    out = tmp_path / "units.json"
    recipes = "--units=rank; --units=zscore --learning_rate=0.05"
    assert run(f"--recipes={recipes}", f"--out={out}") == 0
    found = json.loads(out.read_text())
    assert [each["flags"] for each in found["recipes"]] == recipes.split("; ")
    assert found["seeds"] == [100, 101, 102]
    first, second = (np.array(each["per_seed"]) for each in found["recipes"])
    gain = second - first
    assert found["recipes"][1]["gain"] == pytest.approx(gain.mean(), abs=2e-6)
    expected = gain.std(ddof=1) / np.sqrt(3)
    assert found["recipes"][1]["gain_standard_error"] == pytest.approx(
        expected, abs=2e-6
    )
    assert len(capsys.readouterr().out.splitlines()) == 2

    # By hand: one draw of the second recipe.
    cell, table, taus = cells[1]
    assert cell.units == "zscore" and cell.fit.learning_rate == 0.05
    assert cell.fit.epochs == 6
    draws = draw_data(cell, table)
    predictor = get_predictor("tiny", table.space)
    split = draws.splits[1]
    params, _ = jax.jit(supervised.fit, static_argnums=(0, 4))(
        predictor,
        table.graphs[split.train_index],
        draws.train_units[1],
        draws.fit_keys[1],
        cell.fit,
    )
    scores = predictor.apply(params, table.graphs[split.val_index])
    truth = table.label(cell.train_target)[split.val_index]
    expected = metrics.kendall_tau_host(np.asarray(scores), truth)
    assert taus[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out=x.json"], "--recipes"),
        (["--recipes=--units=rank"], "--out=FILE"),
        (["--recipes=--unit=rank", "--out=x.json"], "unit"),
        (["--recipes=--units=rank", "--out=no/x.json"], "its folder does not exist"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(run, tmp_path, capsys):
    out = tmp_path / "out.json"
    out.write_text("mine")
    assert run(f"--out={out}", "--recipes=--units=rank") == 2
    assert "out.json exists; --overwrite replaces it" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run(f"--out={out}", "--recipes=--units=rank", "--overwrite") == 0
    assert json.loads(out.read_text())["recipes"]


def test_an_unknown_table_is_a_mistake(run, capsys):
    assert run("--recipes=--units=rank", "--out=x.json", table="nb301") == 2
    assert "nb101 or nb201" in capsys.readouterr().err


def test_flags_that_it_would_not_follow_are_refused(run, tmp_path, capsys):
    given = (f"--out={tmp_path / 'out.json'}", "--recipes=--units=rank")
    assert run(*given, f"--workdir={tmp_path}") == 2
    assert "unknown flag --workdir" in capsys.readouterr().err
    recipes = "--recipes=--units=rank; --self_evolution=minimax"
    assert run(given[0], recipes) == 2
    assert "choose compares plain training" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()

"""What a user who says nothing of the training gets, and what flags overrule."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from experiments import custom, nb201
from experiments.cells import recipe, table_command
from experiments.own_space import custom_flags
from experiments.shell import command, strict_flags
from tnasp_jax import FitConfig, benchmarks
from tnasp_jax.predictors import PREDICTORS, get_predictor

FLAGFILES = Path(__file__).resolve().parents[2] / "experiments" / "flagfiles"
EXAMPLE = FLAGFILES.parent / "examples" / "digits_cells.csv"
OWN = FitConfig(epochs=2, batch_size=64, learning_rate=0.02, cosine=False, clip=3.0)


@pytest.fixture
def tiny_recipe(commands, monkeypatch):
    """The predictor "tiny" with a recipe that is nobody else's."""
    tiny = PREDICTORS["tiny"]
    monkeypatch.setitem(
        PREDICTORS, "tiny", lambda space: tiny(space)._replace(recipe=OWN)
    )


def parsed(*argv):
    values = strict_flags.create(command.define_shared)
    command.parse(values, ["--n_train=12", *argv])
    return values


def cell(*argv):
    table = benchmarks.load("nb201digits")
    values = parsed("--table=digits", *argv)
    return table_command.cell_of(values, table), values


def stored(workdir):
    found = json.loads((workdir / "config.json").read_text())["fit"]
    return {name: value for name, value in found.items() if name != "loss"}


def fields(fit):
    found = dataclasses.asdict(fit)
    del found["loss"]
    return found


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        ([], {}),
        (
            ["--epochs=1", "--schedule=cosine", "--clip=inf"],
            {"epochs": 1, "cosine": True, "clip": None},
        ),
        (
            ["--batch_size=7", "--learning_rate=0.5", "--first_moment=0.1"],
            {"batch_size": 7, "learning_rate": 0.5, "first_moment": 0.1},
        ),
    ],
)
def test_custom_trains_by_the_predictors_recipe(
    commands, tiny_recipe, tmp_path, flags, changes
):
    given = (f"--csv={EXAMPLE}", "--train_label=val_acc", "--predictor=tiny")
    run = (*given, "--folds=2", f"--workdir={tmp_path / 'run'}", "--quiet")
    assert commands.call(custom.main, custom_flags.define, [*run, *flags]) == 0
    expected = dataclasses.replace(OWN, **changes)
    assert stored(tmp_path / "run") == fields(expected)
    # What is stored repeats the run, whatever becomes of the predictor's recipe.
    values = strict_flags.create(custom_flags.define)
    command.parse(values, [f"--flagfile={tmp_path / 'run' / 'flags.txt'}"])
    other = get_predictor("tnasp", benchmarks.load("nb201digits").space)
    assert recipe.fit_config(values, other) == expected


def test_a_tables_command_trains_by_the_predictors_recipe(
    commands, tiny_recipe, tmp_path
):
    flags = ("--table=digits", "--predictor=tiny", "--n_train=12", "--n_test=60")
    run = (*flags, "--seeds=0", f"--workdir={tmp_path / 'run'}", "--quiet")
    assert commands.call(nb201.main, command.define_shared, run) == 0
    assert stored(tmp_path / "run") == fields(OWN)


@pytest.mark.parametrize("name", ["neural_predictor", "nao", "ctnas", "renas", "tnasp"])
def test_a_flag_file_adds_nothing_to_it(name):
    by_hand, _ = cell(f"--predictor={name}")
    by_file, _ = cell(f"--flagfile={FLAGFILES / f'nb201_{name}.flags'}")
    assert by_hand.fit == by_file.fit
    assert by_hand.units == by_file.units


def test_flags_that_change_nothing_are_named(commands, capsys):
    table = benchmarks.load("nb201digits")
    capsys.readouterr()
    found, values = cell("--predictor=tiny_at_once", "--epochs=3", "--clip=2")
    recipe.warn_of_unused(values, table)
    assert capsys.readouterr().err == (
        "warning: tiny_at_once is fitted at once, not by steps; without effect: "
        "--epochs, --clip\n"
    )
    assert found.fit == FitConfig()
    assert values.learning_rate is None
    for silent in (
        ("--predictor=tiny_at_once", "--epochs=3", "--quiet"),
        ("--predictor=tiny_at_once",),
        ("--predictor=tiny", "--epochs=3"),
    ):
        recipe.warn_of_unused(cell(*silent)[1], table)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("flags", "rounds"),
    [
        (["--predictor=tiny", "--self_evolution=minimax"], 6),
        (["--predictor=tiny_at_once", "--self_evolution=projection"], 20),
        (["--predictor=tiny_at_once", "--self_evolution=control", "--n_val=9"], 10),
        (["--predictor=tiny", "--self_evolution=control", "--se_rounds=3"], 3),
    ],
)
def test_rounds_of_self_evolution_follow_from_the_predictor(commands, flags, rounds):
    found, values = cell(*flags)
    assert found.evolution is not None and found.evolution.rounds == rounds
    assert values.se_rounds == rounds


def test_without_self_evolution_nothing_is_said_of_it(commands):
    found, values = cell("--predictor=tiny_at_once")
    assert found.evolution is None and values.se_rounds is None
    assert values.clip is None
    assert cell("--predictor=tiny")[1].clip == math.inf

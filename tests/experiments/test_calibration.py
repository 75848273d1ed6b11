"""Coverage of intervals: by hand, and the command on runs of the digits table."""

import json
import shutil

import numpy as np
import pytest

from experiments import calibration, nb201
from experiments.calibration import LEVELS, coverage
from experiments.shell import command

ROOT_FLAGS = ["--n_train=40", "--table=digits", "--seeds=0,1", "--quiet"]


@pytest.fixture
def run(commands, finished):
    """`run(*words, runs=finished)`: the exit code of the command."""

    def run_calibration(*words, runs=finished):
        arguments = [f"--runs={runs}", *words]
        names = "COLUMN ..."
        return commands.call(
            calibration.main, calibration.define, arguments, words=names
        )

    return run_calibration


def test_coverage_by_hand():
    # Half a standard deviation covers 38.3 %, two of them 95.4 %.
    labels = np.array([0.0, 0.5, -0.9, 3.0])
    found = coverage(labels, np.zeros(4), np.array([1.0, 1.0, 1.0, 1.5]))
    assert found[30] == 25.0 and found[40] == 50.0
    assert found[60] == 50.0 and found[70] == 75.0
    assert found[95] == 75.0


def test_normal_labels_are_covered_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.1, 2.0, 20_000)
    found = coverage(spread * rng.normal(size=20_000), np.zeros(20_000), spread)
    np.testing.assert_allclose([found[level] for level in LEVELS], LEVELS, atol=1.5)


@pytest.fixture(scope="module")
def finished(commands, tmp_path_factory):
    """A run that tells a deviation and one that does not."""
    home = tmp_path_factory.mktemp("calibration")
    for predictor, more in (("gp", []), ("tiny", ["--epochs=1"])):
        flags = [f"--predictor={predictor}", f"--workdir={home / predictor}", *more]
        arguments = [*flags, *ROOT_FLAGS]
        assert commands.call(nb201.main, command.define_shared, arguments) == 0
    return home


def test_the_command_asks_the_runs_that_tell_a_deviation(run, tmp_path, capsys):
    assert run(f"--out={tmp_path}", "nb201digits_40") == 0
    told = capsys.readouterr().out
    assert "nb201digits_40 gp: intervals of 50, 80, 95 % cover" in told
    found = json.loads((tmp_path / "calibration.json").read_text())
    column = found["columns"]["nb201digits_40"]
    assert list(column["predictors"]) == ["gp"]
    means = [column["predictors"]["gp"]["coverage"][str(p)]["mean"] for p in LEVELS]
    assert means == sorted(means) and 40 < means[LEVELS.index(80)] < 100
    assert (tmp_path / "calibration.png").read_bytes()[:4] == b"\x89PNG"
    assert run(f"--out={tmp_path}") == 2
    assert capsys.readouterr().err.startswith(
        f"error: {tmp_path / 'calibration.json'} exists; --overwrite replaces it"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nb201digits_40"], "--out is missing"),
        (["--out={out}", "nb201_tnasp"], "expected TABLE_N"),
        (["--out={out}", "nb201digits_41"], "no finished run of column"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    run, tmp_path, capsys, words, sentence
):
    out = tmp_path / "out"
    assert run(*(word.format(out=out) for word in words)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1 and not out.exists()


def test_runs_without_a_deviation_are_told(run, finished, tmp_path, capsys):
    home = tmp_path / "runs"
    shutil.copytree(finished / "tiny", home / "tiny")
    assert run(f"--out={tmp_path / 'out'}", "nb201digits_40", runs=home) == 2
    assert "tells a deviation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""Coverage of intervals: by hand, and the command on runs of the digits table."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from experiments.calibration import LEVELS, coverage

ROOT_FLAGS = ["--n_train=40", "--table=digits", "--seeds=0,1", "--quiet"]


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )


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
def finished(tmp_path_factory):
    """A run that tells a deviation and one that does not."""
    home = tmp_path_factory.mktemp("calibration")
    for predictor, more in (("gp", []), ("tnasp", ["--epochs=1"])):
        done = run(
            "experiments.nb201",
            f"--predictor={predictor}",
            f"--workdir={home / predictor}",
            *ROOT_FLAGS,
            *more,
        )
        assert done.returncode == 0, done.stderr
    return home


def test_the_command_asks_the_runs_that_tell_a_deviation(finished, tmp_path):
    done = run(
        "experiments.calibration",
        f"--runs={finished}",
        f"--out={tmp_path}",
        "nb201digits_40",
    )
    assert done.returncode == 0, done.stderr
    assert "nb201digits_40 gp: intervals of 50, 80, 95 % cover" in done.stdout
    found = json.loads((tmp_path / "calibration.json").read_text())
    column = found["columns"]["nb201digits_40"]
    assert list(column["predictors"]) == ["gp"]
    means = [column["predictors"]["gp"]["coverage"][str(p)]["mean"] for p in LEVELS]
    assert means == sorted(means) and 40 < means[LEVELS.index(80)] < 100
    assert (tmp_path / "calibration.png").read_bytes()[:4] == b"\x89PNG"
    again = run("experiments.calibration", f"--runs={finished}", f"--out={tmp_path}")
    assert again.returncode == 2 and again.stderr.startswith(
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
    finished, tmp_path, words, sentence
):
    out = tmp_path / "out"
    words = [word.format(out=out) for word in words]
    done = run("experiments.calibration", f"--runs={finished}", *words)
    assert done.returncode == 2 and sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not out.exists()


def test_runs_without_a_deviation_are_told(finished, tmp_path):
    home = tmp_path / "runs"
    shutil.copytree(finished / "tnasp", home / "tnasp")
    done = run(
        "experiments.calibration",
        f"--runs={home}",
        f"--out={tmp_path / 'out'}",
        "nb201digits_40",
    )
    assert done.returncode == 2 and "tells a deviation" in done.stderr
    assert not (tmp_path / "out").exists()

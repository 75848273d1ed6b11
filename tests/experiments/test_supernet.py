"""experiments.supernet as a user runs it: the ranking, resuming, mistakes."""

import json

import numpy as np
import pytest

from experiments import devices, digits_cells, supernet, supernet_run
from tnasp_jax import benchmarks, supernets
from tnasp_jax.checkpoints import Checkpoints

TINY = ("--sampling=fairnas", "--steps=40", "--batch_size=16", "--seeds=0,3")
UNLIKE = {"train_seconds", "score_seconds", "wall_seconds", "argv"}


@pytest.fixture
def run(commands):
    """`run(workdir, *flags)`: the exit code."""

    def run_supernet(workdir, *flags):
        arguments = [f"--workdir={workdir}", *flags]
        return commands.call(supernet.main, supernet.define, arguments)

    return run_supernet


def read(workdir):
    summary = json.loads((workdir / "results.json").read_text())
    with np.load(workdir / "predictions.npz") as saved:
        return summary, dict(saved)


def test_a_cut_run_goes_on_to_the_same_result(run, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(devices, "mesh", lambda: None)
    monkeypatch.setattr(supernet_run, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(supernet_run, "CHUNK", 16)
    monkeypatch.setattr(digits_cells, "SUPERNET", supernets.nasbench201((2,)))
    flags = (*TINY, "--n_archs=20", "--quiet")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(whole, *flags) == 0

    save = Checkpoints.save

    def save_and_stop(self, step, state, about):
        save(self, step, state, about)
        if 8 <= step < 40:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_stop)
        assert run(cut, *flags) == 130
    assert not (cut / "results.json").exists()
    assert run(cut, *flags, "--resume") == 0

    (summary, arrays), (resumed, again) = read(whole), read(cut)
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], again[name])
    assert {k: v for k, v in summary.items() if k not in UNLIKE} == {
        k: v for k, v in resumed.items() if k not in UNLIKE
    }
    assert arrays["scores"].shape == (2, 20)
    assert (arrays["scores"][0] != arrays["scores"][1]).any()
    assert summary["paths_per_step"] == 5


def test_a_short_training_ranks_better_than_chance(run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(devices, "mesh", lambda: None)
    flags = ("--sampling=spos", "--steps=100", "--seeds=0", "--n_archs=200")
    assert run(tmp_path / "run", *flags) == 0
    assert "Kendall tau" in capsys.readouterr().out
    summary, arrays = read(tmp_path / "run")
    assert len(np.unique(arrays["index"])) == 200
    # Shuffled labels have tau 0 with a deviation of .047; measured: .196.
    assert summary["kendall_tau"]["per_seed"][0] > 0.12


def test_architectures_that_compute_the_same_score_the_same(monkeypatch):
    monkeypatch.setattr(devices, "mesh", lambda: None)

    def score(params, paths):
        return paths @ 5.0 ** np.arange(6) + params["offset"]

    monkeypatch.setattr(supernet_run, "_score_chunk", score)
    params = {"offset": np.array([0.0, 1.0], np.float32)}
    # The second edge of the first is dead: nothing leaves node 2.
    paths = np.array([(0, 3, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0), (0, 0, 0, 2, 0, 0)])
    expected = np.array([125.0, 125.0, 250.0]) + np.array([[0.0], [1.0]])
    np.testing.assert_allclose(supernet_run.score(params, paths, True), expected)


def test_architectures_drawn_are_distinct_and_all_means_all():
    size = len(benchmarks.load("nb201digits"))
    np.testing.assert_array_equal(supernet_run.draw_archs(size, size), np.arange(size))
    assert len(np.unique(supernet_run.draw_archs(size, 500))) == 500


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--table=official"], "--table=digits"),
        (["--n_archs=some"], "expected all, or a number"),
        (["--n_archs=1"], "expected all, or a number"),
        (["--batch_size=513"], "512 training images"),
        (["--resume", "--overwrite"], "give one"),
        (["--sampling=darts"], "sampling"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, tmp_path, capsys, flags, message):
    workdir = tmp_path / "out"
    assert run(workdir, *flags) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert not workdir.exists()

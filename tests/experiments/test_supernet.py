"""experiments.supernet as a user runs it: the ranking, resuming, mistakes."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from experiments import supernet
from experiments.cells import results
from experiments.networks import digits_cells, segments, supernet_run, supernet_tasks
from experiments.shell import devices
from tnasp_jax import benchmarks, metrics, supernets
from tnasp_jax.benchmarks import cifar10
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.nasbench101 import NASBENCH101
from tnasp_jax.spaces.nasbench201 import NASBENCH201

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


def test_a_cut_run_goes_on_to_the_same_result(run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(devices, "mesh", lambda: None)
    monkeypatch.setattr(segments, "CHECKPOINT_SECONDS", 0.0)
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
    capsys.readouterr()
    assert run(whole, *flags, "--resume") == 0
    first, scored, tau, ranked = capsys.readouterr().out.splitlines()
    assert first == "supernet_digits_fairnas: 20 architectures, 2 seeds, 40 steps"
    assert scored.startswith(
        "  scored by    validation accuracy through the supernet, "
    )
    assert tau == f"  Kendall tau  {results.mean_std(summary['kendall_tau'])}"
    assert ranked.startswith("  ranked by    8 x 8 digits, test accuracy")


@pytest.mark.usefixtures("optimized")
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


def test_equal_paths_are_scored_once(monkeypatch):
    monkeypatch.setattr(devices, "mesh", lambda: None)
    seen = []

    def score(task, params, paths):
        seen.append(paths.shape)
        return paths @ 5.0 ** np.arange(6) + params["offset"]

    monkeypatch.setattr(supernet_run, "_score_chunk", score)
    monkeypatch.setattr(supernet_run, "CHUNK", 2)
    params = {"offset": np.array([0.0, 1.0], np.float32)}
    paths = np.array([(0, 0, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0), (0, 0, 0, 2, 0, 0)])
    expected = np.array([125.0, 125.0, 250.0]) + np.array([[0.0], [1.0]])
    found = supernet_run.score(None, params, paths, True)
    np.testing.assert_allclose(found, expected)
    assert seen == [(2, 6)]


def test_paths_of_nasbench201_are_pruned():
    every = np.array(NASBENCH201.all_architectures())
    # The second edge of the first is dead: nothing leaves node 2.
    cells = [(0, 3, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0)]
    rows = np.array([np.flatnonzero((every == cell).all(1))[0] for cell in cells])
    one, other = supernet_tasks._nasbench201_paths(rows)
    np.testing.assert_array_equal(one, other)


# The other tables.


def small_images(channels, size):
    """Fifty images whose brightness tells their class."""
    labels = np.arange(50, dtype=np.int32) % 10
    images = np.random.default_rng(0).normal(labels, 1, (channels, size, size, 50))
    train = images[..., :40].astype(np.float32), labels[:40]
    val = images[..., 40:].astype(np.float32), labels[40:]
    return supernet_tasks.Images(train, train[0][..., :16], val, "made")


@pytest.mark.parametrize("name", ["nb101", "nb201"])
def test_official_tables_are_ranked(run, tmp_path, monkeypatch, name, made_tables):
    monkeypatch.setattr(devices, "mesh", lambda: None)
    monkeypatch.setattr(supernet_run, "CHUNK", 4)
    monkeypatch.setattr(benchmarks, "load", lambda name, folder=None: made_tables[name])
    monkeypatch.setattr(digits_cells, "CHANNELS", (2,))
    monkeypatch.setattr(supernet_tasks, "CIFAR_CHANNELS", (2,))
    patched = lambda *_: small_images(3 if name == "nb201" else 1, 4)  # noqa: E731
    monkeypatch.setattr(supernet_tasks, "digits_images", patched)
    monkeypatch.setattr(supernet_tasks, "cifar_images", patched)
    flags = [f"--table={name}", "--steps=2", "--batch_size=8", "--seeds=0", "--quiet"]
    assert run(tmp_path / "run", *flags, "--n_archs=6") == 0
    summary, arrays = read(tmp_path / "run")
    assert arrays["scores"].shape == (1, 6) and np.isfinite(arrays["scores"]).all()
    assert summary["images"] == "made" and "channels 2" in summary["network"]
    table = made_tables["nb101" if name == "nb101" else "nb201"]
    assert (summary["table"], summary["space"]) == (table.name, table.space.name)
    assert summary["paths_per_step"] == (3 if name == "nb101" else 5)
    others = summary["other_supernets"]
    if name == "nb201":
        truth, other = (table.label(each) for each in ("c10_test", "oneshot"))
        tau = metrics.kendall_tau_host(other, truth)
        assert others["oneshot"]["kendall_tau_all"] == pytest.approx(tau, abs=1e-6)
        assert "oneshot" in summary["targets"]
    else:
        assert others == {}


@pytest.fixture
def made_tables():
    """Small tables of the two official benchmarks, by their names."""
    rng = np.random.default_rng(0)
    cells = NASBENCH101.sample(jax.random.key(0), 8)
    digits = benchmarks.load("nb201digits")
    labels = {name: rng.random(15_625) for name in ("c10_test", "oneshot")}
    nb201 = dataclasses.replace(
        digits,
        name="nb201",
        labels=labels,
        train_target="c10_test",
        eval_targets=("c10_test",),
        describe={name: name for name in labels},
    )
    graphs = NASBENCH101.to_graphs(cells)
    nb101 = dataclasses.replace(
        digits,
        name="nb101",
        space=NASBENCH101,
        graphs=graphs,
        labels={"test_acc": rng.random(8)},
        train_target="test_acc",
        eval_targets=("test_acc",),
        describe={"test_acc": "made"},
        hashes=np.arange(8),
        texts=lambda row: NASBENCH101.format(cells[row]),
    )
    return {"nb101": nb101, "nb201": nb201, "nb201digits": digits}


def test_images_of_cifar_are_parted_and_scaled(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    labels = np.arange(40, dtype=np.int32) % 10
    found = cifar10.Images(pixels, labels, np.ones(40, bool), "")
    monkeypatch.setattr(cifar10, "read", lambda split, folder: found)
    sizes = {"CIFAR_TRAIN": 20, "CIFAR_VAL": 10, "CIFAR_STATISTICS": 5}
    for name, value in sizes.items():
        monkeypatch.setattr(supernet_tasks, name, value)
    images = supernet_tasks.cifar_images(None)
    (train, train_labels), (val, val_labels) = images.train, images.val
    assert train.shape == (3, 16, 16, 20) and val.shape == (3, 16, 16, 10)
    np.testing.assert_allclose(train.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(train.std((1, 2, 3)), 1, atol=1e-4)
    np.testing.assert_array_equal(images.statistics, train[..., :5])
    np.testing.assert_array_equal([*train_labels, *val_labels], labels[:30])
    assert "first 20 to train on" in images.about


def test_architectures_drawn_are_distinct_and_all_means_all():
    size = len(benchmarks.load("nb201digits"))
    np.testing.assert_array_equal(supernet_run.draw_archs(size, size), np.arange(size))
    assert len(np.unique(supernet_run.draw_archs(size, 500))) == 500


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--table=nb102"], "did you mean --table=nb101?"),
        (["--table=nb101", "--data_dir=nowhere"], "--table=digits"),
        (["--table=nb201", "--data_dir=nowhere"], "--table=digits"),
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

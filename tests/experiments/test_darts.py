"""experiments.darts as a user runs it, through a flag file, cut in every stage."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import darts
from experiments.networks import (
    cifar10_parts,
    darts_flags,
    darts_found,
    darts_supernet,
    segments,
    supernet_scores,
)
from experiments.networks.cifar10_parts import Data, Part
from experiments.shell import command, devices, strict_flags
from tnasp_jax import supernets
from tnasp_jax.benchmarks import cifar10
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets.darts import draw_paths

TINY = """
# The whole pipeline on images of noise.
--image_size=8
--search_images=24
--val_images=12
--calibration_images=8
--val_batches=2
--supernet_channels=2
--supernet_layers=3
--supernet_steps=4
--supernet_batch_size=6
--sampling=spos
--n_archs=12
--predictor=tiny
--folds=2
--epochs=4
--population=4
--generations=3
--retrained=1
--retrain_images=24
--channels=2
--layers=3
--retrain_epochs=2
--retrain_batch_size=12
--cutout=4
--auxiliary_weight=0
"""
UNLIKE = {"argv", "seconds", "wall_seconds"}


def part(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (3, 8, 8, count), dtype=np.uint8)
    return Part(images, rng.integers(0, 10, count).astype(np.int32))


def easy_supernet(network):
    """Compiles in no time; `tests/supernets/test_darts.py` is about the real one."""
    del network

    pixels = jnp.arange(3 * 8 * 8)

    def init(key):
        return {"linear": 0.1 * jax.random.normal(key, (10, len(pixels)))}

    def apply(params, path, images, num_statistics):
        weights = jnp.cos(pixels * (path * jnp.arange(32)).sum())[:, None]
        return params["linear"] @ (weights * images.reshape(len(pixels), -1))

    return supernets.Supernet(init, apply, 16, 7, draw_paths)


def noise(recipe, data_dir):
    return Data(part(0, 24), part(1, 12), part(2, 24), part(3, 20), "noise")


@pytest.fixture
def run(commands, tmp_path, monkeypatch):
    """`run(workdir, *flags)`: the exit code; equal programs compile once."""
    flagfile = tmp_path / "tiny.flags"
    flagfile.write_text(TINY)
    monkeypatch.setattr(cifar10_parts, "read", noise)
    monkeypatch.setattr(supernets, "darts", easy_supernet)
    monkeypatch.setattr(devices, "mesh", lambda: None)
    monkeypatch.setattr(darts_supernet, "CHUNK", 4)
    for module in (segments, supernet_scores, darts_found):
        monkeypatch.setattr(module, "CHECKPOINT_SECONDS", -1.0)

    def run_darts(workdir, *flags):
        arguments = [f"--flagfile={flagfile}", f"--workdir={workdir}", *flags]
        return commands.call(darts.main, darts.define, arguments)

    return run_darts


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in UNLIKE}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def read(path):
    return without_times(json.loads(path.read_text()))


def interrupting(function, after):
    """The function, which the user interrupts after it was called so many times."""
    calls = []

    def wrapped(*args, **kwargs):
        result = function(*args, **kwargs)
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        return result

    return wrapped


def test_a_run_that_is_cut_in_every_stage_comes_to_the_same(
    run, tmp_path, monkeypatch, capsys
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(whole) == 0
    told = capsys.readouterr().out
    summary = json.loads((whole / "results.json").read_text())
    check_summary(summary, whole, told)

    def interrupted(patch, owner, name, after=1):
        patch.setattr(owner, name, interrupting(getattr(owner, name), after))

    resume = ()
    for owner, name, after in (
        (Checkpoints, "save", 2),  # In the middle of the supernet,
        (darts_supernet.Scorer, "__call__", 2),  # of scoring,
        (supernet_scores.pipeline.runs, "save", 1),  # of the predictor,
        (darts_found.RunOracle, "evaluate", 2),  # of the search,
        (Checkpoints, "save", 1),  # and of the last training.
    ):
        with monkeypatch.context() as patch:
            interrupted(patch, owner, name, after)
            assert run(cut, "--quiet", *resume) == 130
        assert not (cut / "results.json").exists()
        resume = ("--resume",)
    began = (cut / "supernet" / "results.json").stat().st_mtime_ns
    assert run(cut, "--quiet", "--resume") == 0
    for name in ("results.json", "search/search.json", "scored/results.json"):
        mine, other = read(cut / name), read(whole / name)
        mine.pop("description", None), other.pop("description", None)
        assert mine == other, name
    for name in ("scored/scores.csv", "supernet/metrics.jsonl"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    # What is finished is not run again.
    capsys.readouterr()
    assert run(cut, "--quiet", "--resume") == 0
    check_it_is_brief(summary, capsys.readouterr().out)
    assert (cut / "supernet" / "results.json").stat().st_mtime_ns == began
    check_the_folder_is_guarded(run, cut, capsys)


def check_summary(summary, folder, told):
    (network,) = summary["retrained"]
    genotype = DARTS.parse(network["architecture"])
    size = Network(channels=2, layers=3, image_size=8)
    assert network["params"] == DARTS.parameters(genotype, size)
    assert network["params_published_size"] == DARTS.parameters(genotype)
    assert 0 <= network["test_accuracy"] <= 1 and network["epochs"] == 2
    assert set(summary["seconds"]) == set(darts.STAGES)
    texts, scores = supernet_scores.read(folder / "scored")
    assert len({DARTS.canonical_hash(DARTS.parse(text)) for text in texts}) == 12
    assert scores.max() == pytest.approx(summary["scored"]["highest"], abs=1e-6)
    history = (folder / "retrained/best_0_seed_0/metrics.jsonl").read_text()
    assert [json.loads(line)["epoch"] for line in history.splitlines()] == [1, 2]
    assert "<svg" in (folder / darts.DRAWING).read_text()
    for words in (
        "8 x 8, shrunk from 32 x 32",
        "4 steps of 6 images, spos: 1 path(s) a step",
        "12 random architectures on 12 validation images",
        "tiny, 2 folds of 6 scores",
        "nsga2, 12 architectures",
        "2 channels, 3 layers; 2 epochs of 24 training images",
        "after 2 epochs here; papers train 36 channels, 20 layers, 600 epochs",
        network["architecture"],
    ):
        assert words in told, words


def check_it_is_brief(summary, told):
    first, tau, retrained, found = told.splitlines()
    assert first.endswith("12 architectures scored, 12 predicted, 1 retrained")
    assert tau.startswith("  Kendall tau  ") and "of tiny on the scores left out" in tau
    (network,) = summary["retrained"]
    accuracy = f"{100 * network['test_accuracy']:.2f} % (mean of 1)"
    assert retrained == f"  retrained    found {accuracy} of the 10,000 test images"
    assert found == f"  found        {network['architecture']}"


def check_the_folder_is_guarded(run, folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    capsys.readouterr()
    for flags, message in (
        ((), "holds a run; add --resume"),
        (("--resume", "--n_archs=13"), "n_archs = 12, not 13"),
    ):
        assert run(folder, *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--image_size=12", "expected 4, 8, 16 or 32"),
        ("--auxiliary_weight=0.4", "made for images of 32, not --image_size=8"),
        ("--channels=3", "--channels=3: expected an even number"),
        ("--search_images=49999", "there are 50,000 training images"),
        ("--supernet_batch_size=25", "at most 24, --search_images"),
        ("--retrain_batch_size=25", "at most 24, --retrain_images"),
        ("--folds=7", "at most 6, half of --n_archs"),
        ("--retrained=11", "at most 10"),
        ("--retrained_random=13", "at most 12, --n_archs"),
        ("--val_batches=5", "divides --val_images=12"),
        ("--retrain_seeds=0,0", "distinct whole numbers"),
        ("--predictor=bset", "did you mean 'best'"),
        ("--drop_path=1", "below 1"),
        ("--method=random", "nsga2"),
        ("--resume --overwrite", "give one"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, tmp_path, capsys, flag, message):
    workdir = tmp_path / "out"
    assert run(workdir, *flag.split()) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not workdir.exists()


def test_missing_images_write_nothing(run, tmp_path, capsys, monkeypatch):
    monkeypatch.undo()
    arguments = [f"--flagfile={tmp_path / 'tiny.flags'}", "--predictor=gp"]
    arguments += [f"--workdir={tmp_path / 'out'}", f"--data_dir={tmp_path}"]
    with pytest.raises(SystemExit) as stop:
        command.run(darts.main, darts.define, arguments)
    assert stop.value.code == 2
    assert "bring the folder cifar10" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_parts_are_apart_and_small(monkeypatch):
    pixels = np.arange(50, dtype=np.uint8)[:, None, None, None]
    whole = cifar10.Images(
        np.broadcast_to(pixels, (50, 32, 32, 3)),
        np.arange(50, dtype=np.int32),
        np.ones(50, bool),
        "one",
    )
    monkeypatch.setattr(cifar10, "read", lambda split, data_dir: whole)
    values = darts_flags_of("--search_images=30", "--val_images=12")
    data = cifar10_parts.read(values, None)
    for each in data[:4]:
        assert each.images.shape == (3, 8, 8, len(each.labels))
        np.testing.assert_array_equal(each.images[0, 0, 0], each.labels)
    assert not set(data.search.labels) & set(data.validation.labels)
    assert len(data.search.labels) == 30 and len(data.validation.labels) == 12
    np.testing.assert_array_equal(data.test.labels, whole.labels)


def darts_flags_of(*arguments):
    values = strict_flags.create(darts.define)
    given = ["--workdir=x", "--predictor=gp", "--image_size=8", "--auxiliary_weight=0"]
    given += ["--calibration_images=8", "--val_batches=1", "--supernet_batch_size=8"]
    strict_flags.parse(values, [*given, *arguments])
    return darts_flags.recipe_of(values)


@pytest.mark.parametrize("name", ["darts_paper", "darts_small"])
def test_the_flag_files_are_recipes(name):
    values = strict_flags.create(darts.define)
    path = f"experiments/flagfiles/{name}.flags"
    strict_flags.parse(values, [f"--flagfile={path}", "--workdir=x"])
    recipe = darts_flags.recipe_of(values)
    if name == "darts_paper":
        assert recipe.network == Network(auxiliary=True)
        assert recipe.retrain.epochs == 600 and recipe.n_archs == 1000

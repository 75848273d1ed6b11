"""The tables' commands as a user runs them: folders, repeats, kills, mistakes."""

import json
import shutil
import sys
import time

import numpy as np
import pytest

from experiments import nb101, nb201, predict
from experiments.cells import pipeline, training
from experiments.shell import command
from tnasp_jax import benchmarks, runs
from tnasp_jax.predictors import PREDICTORS
from tnasp_jax.predictors.ctnas import CtnasConfig, ctnas
from tnasp_jax.predictors.pinat import PinatConfig, pinat
from tnasp_jax.predictors.renas import RenasConfig, renas

EVOLVE = ("--self_evolution=minimax", "--se_rounds=3", "--se_steps=4")
KEYS = """
    table space predictor self_evolution se_rounds train_target eval_target n_train
    n_val n_test seeds kendall_tau kendall_tau_by_target kendall_tau_heldout ceiling
    split_sha256 data_sha256 train_steps versions device precision wall_seconds argv
"""
DIGITS = ["nb201digits"]
ARCHITECTURES = [
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|",
    "|avg_pool_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|skip_connect~2|",
]


def read(workdir, name="results.json"):
    """Strict JSON."""

    def refuse(constant):
        raise AssertionError(f"{constant} in {name}")

    return json.loads((workdir / name).read_text(), parse_constant=refuse)


def result(workdir):
    """results.json without what may differ between equal runs."""
    values = read(workdir)
    return {k: v for k, v in values.items() if k not in ("wall_seconds", "argv")}


def predictions(workdir):
    with np.load(workdir / "predictions.npz", allow_pickle=False) as file:
        return dict(file)


def assert_equal_runs(first, second):
    assert result(first) == result(second)
    assert (first / "metrics.jsonl").read_text() == (
        second / "metrics.jsonl"
    ).read_text()
    one, other = predictions(first), predictions(second)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def contents(folder):
    """Bytes and time of every file."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def one_line(captured) -> str:
    """The only line of a mistake."""
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def plain(commands, tmp_path_factory):
    """A finished run."""
    workdir = tmp_path_factory.mktemp("plain") / "run"
    assert commands.nb201(workdir) == 0
    return workdir


@pytest.fixture(scope="module")
def evolved(commands, tmp_path_factory):
    """A finished run with three rounds of self-evolution."""
    workdir = tmp_path_factory.mktemp("evolved") / "run"
    assert commands.nb201(workdir, *EVOLVE) == 0
    return workdir


# What a run leaves.


def test_a_run_folder_holds_what_the_contracts_say(plain):
    names = "flags.txt config.json results.json metrics.jsonl predictions.npz"
    expected = {*names.split(), "predictor", "checkpoints"}
    assert {path.name for path in plain.iterdir()} == expected
    inside = {path.name for path in (plain / "predictor").iterdir()}
    assert inside == {"params.npz", "predictor.json"}
    lines = (plain / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 7))


def test_results_have_the_keys_of_the_contracts(plain):
    values = read(plain)
    assert [key for key in KEYS.split() if key not in values] == []
    assert values["space"] == "nasbench201"
    assert (values["n_train"], values["n_val"], values["n_test"]) == (12, 16, 60)
    assert (values["self_evolution"], values["se_rounds"]) == ("off", 0)
    assert values["seeds"] == [0, 1]
    assert values["train_steps"] == 6 * 2
    tau = values["kendall_tau"]
    assert tau.keys() == {"per_seed", "mean", "std"}
    assert tau["mean"] == pytest.approx(np.mean(tau["per_seed"]), abs=1e-6)
    assert tau["std"] == pytest.approx(np.std(tau["per_seed"], ddof=1), abs=1e-6)
    assert values["kendall_tau_by_target"][values["eval_target"]] == tau
    assert len(set(values["split_sha256"])) == 2


def test_predictions_have_the_arrays_of_the_contracts(plain, evolved):
    arrays = predictions(plain)
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {
        "index": (2, 60),
        "scores": (2, 60),
        "train_index": (2, 12),
        "val_index": (2, 16),
        "seeds": (2,),
    }
    assert arrays["scores"].dtype == np.float32
    assert np.isfinite(arrays["scores"]).all()
    assert predictions(evolved)["ybar"].shape == (2, 16)
    for draw in range(2):
        rows = [*arrays["index"][draw], *arrays["train_index"][draw]]
        rows += [*arrays["val_index"][draw]]
        assert len(set(rows)) == 60 + 12 + 16


def test_the_whole_table_is_scored_by_default(commands, table_flags, tmp_path):
    flags = tmp_path / "whole.flags"
    flags.write_text("--predictor=tiny\n--n_train=5\n--epochs=1\n--seeds=3\n")
    workdir = tmp_path / "whole"
    argv = [f"--workdir={workdir}", f"--flagfile={flags}", "--n_val=5"]
    code = commands.call(nb201.main, command.define_shared, [*argv, *table_flags])
    assert code == 0
    arrays = predictions(workdir)
    assert arrays["index"].shape == (15625,)
    assert arrays["scores"].shape == (1, 15625)
    values = read(workdir)
    assert values["kendall_tau"]["std"] is None
    assert values["kendall_tau"]["reason"]


def test_another_seed_is_another_split(commands, plain, tmp_path):
    assert commands.nb201(tmp_path / "run", "--seeds=1,4294967295") == 0
    hashes = read(tmp_path / "run")["split_sha256"]
    assert hashes[0] == read(plain)["split_sha256"][1]
    assert hashes[1] not in read(plain)["split_sha256"]
    seeds = predictions(tmp_path / "run")["seeds"]
    np.testing.assert_array_equal(seeds, [1, 4294967295])


def test_the_report_names_what_was_measured(commands, plain, capsys):
    capsys.readouterr()
    assert commands.nb201(plain, "--resume") == 0
    captured = capsys.readouterr()
    values = read(plain)
    assert f"{values['kendall_tau']['mean']:.3f}" in captured.out
    assert values["targets"][values["train_target"]] in captured.out
    assert f"{values['ceiling']:.3f}" in captured.out
    assert f"python -m experiments.predict --run={plain} " in captured.out
    assert captured.err == ""


# Self-evolution.


def test_minimax_reports_its_rounds(evolved):
    values = read(evolved)
    assert (values["self_evolution"], values["se_rounds"]) == ("minimax", 3)
    assert values["train_steps"] == 6 * 2 + 3 * 4
    rounds = values["self_evolution_rounds"]
    assert [line["round"] for line in rounds] == [1, 2, 3]
    assert [len(line["violation"]) for line in rounds] == [1, 2, 3]
    assert values["name"].endswith("_tiny_se_12_test60")


def test_control_leaves_the_proxies_at_the_first_prediction(
    commands, plain, table_flags, tmp_path
):
    flags = ("--self_evolution=control", *EVOLVE[1:])
    assert commands.nb201(tmp_path / "run", *flags) == 0
    values = read(tmp_path / "run")
    assert (values["self_evolution"], values["se_rounds"]) == ("control", 3)
    before = runs.load(plain)
    ybar = predictions(tmp_path / "run")["ybar"]
    rows = predictions(plain)["val_index"]
    name, _, folder = table_flags[0].partition("=")
    table = benchmarks.load(*(["nb201", folder] if name == "--data_dir" else DIGITS))
    for draw in range(2):
        graphs = table.graphs[rows[draw]]
        first = before.predict_members(before.params, graphs)[draw]
        np.testing.assert_allclose(ybar[draw], first, rtol=1e-5)


def test_projection_runs(commands, tmp_path):
    flags = ("--self_evolution=projection", *EVOLVE[1:])
    assert commands.nb201(tmp_path / "run", *flags) == 0
    assert read(tmp_path / "run")["self_evolution"] == "projection"
    assert np.isfinite(predictions(tmp_path / "run")["ybar"]).all()


def test_a_predictor_that_is_fitted_at_once_asks_fits_again_and_reports(
    commands, tmp_path
):
    taus = {}
    for mode in ("projection", "control"):
        flags = ("--predictor=tiny_at_once", f"--self_evolution={mode}")
        assert commands.nb201(tmp_path / mode, *flags, "--se_rounds=4") == 0
        values = read(tmp_path / mode)
        assert (values["self_evolution"], values["se_rounds"]) == (mode, 4)
        (line,) = values["self_evolution_rounds"]
        assert line["round"] == 4 and line["error"] > 0
        taus[mode] = line["val_tau_after"] - line["val_tau_before"]
    # What is told of the validation labels is learnt; without it, next to nothing.
    assert taus["projection"] > taus["control"] and abs(taus["control"]) < 0.05
    asked, fixed = (
        predictions(tmp_path / mode)["ybar"] for mode in ("projection", "control")
    )
    assert asked.shape == fixed.shape == (2, 16)
    assert np.abs(asked - fixed).max() > 0.05


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("tiny_at_once", "minimax", 3), "minimax trains by steps; use projection"),
        (("tiny_unaware", "projection", 3), "does not say what it is unsure of"),
        (
            ("tiny_at_once", "projection", 18),
            "16 validation cells have no more than 16",
        ),
    ],
)
def test_what_a_predictor_cannot_evolve_by(commands, tmp_path, capfd, flags, sentence):
    predictor, mode, rounds = flags
    given = (
        f"--predictor={predictor}",
        f"--self_evolution={mode}",
        f"--se_rounds={rounds}",
    )
    assert commands.nb201(tmp_path / "run", *given) == 2
    said = capfd.readouterr().err
    assert sentence in said and len(said.splitlines()) == 1
    assert not (tmp_path / "run").exists()


# Narrow ones: the published widths take long to compile.
ORDERING = {
    "ctnas": lambda space: ctnas(
        len(space.ops), CtnasConfig(num_layers=2, width=16, num_references=16)
    ),
    "renas": lambda space: renas(space, RenasConfig(channels=(4, 8), hidden=(8, 8))),
    "pinat_rank": lambda space: pinat(
        len(space.ops),
        PinatConfig(
            num_layers=1,
            width=16,
            head_width=8,
            invariant_hidden=16,
            hidden=16,
            regressor_hidden=16,
            ranking=True,
        ),
    ),
}


@pytest.mark.parametrize(
    ("predictor", "mode"),
    [("ctnas", "minimax"), ("renas", "control"), ("pinat_rank", "projection")],
)
def test_scores_that_only_order_evolve(
    commands, tmp_path, monkeypatch, predictor, mode
):
    monkeypatch.setitem(PREDICTORS, predictor, ORDERING[predictor])
    flags = (f"--predictor={predictor}", f"--self_evolution={mode}", *EVOLVE[1:])
    assert commands.nb201(tmp_path / "run", *flags, "--epochs=2") == 0
    rounds = read(tmp_path / "run")["self_evolution_rounds"]
    assert [line["round"] for line in rounds] == [1, 2, 3]
    assert all(line["error"] > 0 for line in rounds)
    # Accuracies, as the submissions are: raw scores would lie anywhere.
    ybar = predictions(tmp_path / "run")["ybar"]
    assert ybar.shape == (2, 16) and (ybar > 0).all() and (ybar < 100).all()


def test_what_only_orders_goes_on_from_a_kill_and_from_a_trained_run(
    commands, tmp_path, monkeypatch
):
    plain, whole, cut, taken = (
        tmp_path / name for name in ("plain", "whole", "cut", "taken")
    )
    ordering = "--predictor=tiny_ordering"
    flags = (ordering, *EVOLVE)
    assert commands.nb201(whole, *flags) == 0
    with monkeypatch.context() as patch:
        kill_after(patch, 8)
        with pytest.raises(Killed):
            commands.nb201(cut, *flags)
    assert commands.nb201(cut, *flags, "--resume") == 0
    assert_equal_runs(cut, whole)
    assert commands.nb201(plain, ordering) == 0
    assert commands.nb201(taken, *flags, f"--from_run={plain}") == 0
    assert result(taken) == result(whole)
    one, other = predictions(taken), predictions(whole)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    # `finish` wrote again, once the weights had moved.
    before, after = (runs.load(folder).params["network"] for folder in (plain, whole))
    assert (before["mean"] != after["mean"]).all()


def test_a_trained_run_can_be_gone_on_from(commands, plain, evolved, tmp_path):
    workdir = tmp_path / "run"
    assert commands.nb201(workdir, *EVOLVE, f"--from_run={plain}") == 0
    assert result(workdir) == result(evolved)
    one, other = predictions(workdir), predictions(evolved)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert (workdir / "flags.txt").read_text() == (evolved / "flags.txt").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n_train=13"], "n_train = 12"),
        (["--seeds=0,2"], "seeds = "),
        (["--epochs=3"], "fit = "),
    ],
)
def test_another_run_is_not_gone_on_from(
    commands, plain, tmp_path, capsys, flags, message
):
    capsys.readouterr()
    flags = (*EVOLVE, f"--from_run={plain}", *flags)
    assert commands.nb201(tmp_path / "run", *flags) == 2
    assert message in one_line(capsys.readouterr())
    assert not (tmp_path / "run").exists()


def test_what_from_run_cannot_be(commands, plain, evolved, tmp_path, capsys):
    capsys.readouterr()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "config.json").write_bytes((plain / "config.json").read_bytes())
    for folder, message in [
        (tmp_path / "nowhere", "holds no run"),
        (evolved, "with self-evolution itself"),
        (tmp_path / "cut", "not finished"),
    ]:
        flags = (*EVOLVE, f"--from_run={folder}")
        assert commands.nb201(tmp_path / "run", *flags) == 2
        assert message in one_line(capsys.readouterr())
    other = tmp_path / "other"
    shutil.copytree(plain, other)
    runs.write_json(other / "results.json", read(plain) | {"data_sha256": "0"})
    assert commands.nb201(tmp_path / "run", *EVOLVE, f"--from_run={other}") == 2
    assert "another version of the data" in one_line(capsys.readouterr())
    assert commands.nb201(tmp_path / "run", f"--from_run={plain}") == 2
    assert "--from_run" in one_line(capsys.readouterr())
    assert not (tmp_path / "run").exists()


# Folders that are taken, kills, resuming.


def test_a_taken_folder_is_left_alone(commands, plain, capsys):
    capsys.readouterr()
    before = contents(plain)
    assert commands.nb201(plain) == 2
    assert "--resume" in one_line(capsys.readouterr())
    assert commands.nb201(plain, "--resume", "--seeds=0,2") == 2
    assert "seeds = [0, 1]" in one_line(capsys.readouterr())
    assert commands.nb201(plain, "--resume", "--overwrite") == 2
    one_line(capsys.readouterr())
    assert commands.nb201(plain, "--resume") == 0
    assert contents(plain) == before


def test_a_run_on_other_data_is_not_gone_on_with(commands, plain, tmp_path, capsys):
    capsys.readouterr()
    other = tmp_path / "other"
    shutil.copytree(plain, other)
    config = json.loads((other / "config.json").read_text())
    runs.write_json(other / "config.json", config | {"data_sha256": "0"})
    assert commands.nb201(other, "--resume") == 2
    assert "another version of the data" in one_line(capsys.readouterr())


def test_overwrite_removes_the_run_and_nothing_else(commands, plain, tmp_path):
    workdir = tmp_path / "run"
    assert commands.nb201(workdir, "--seeds=5,6") == 0
    (workdir / "notes.txt").write_text("mine")
    assert commands.nb201(workdir, "--overwrite") == 0
    assert_equal_runs(workdir, plain)
    assert (workdir / "notes.txt").read_text() == "mine"


class Killed(BaseException):
    """Ends a run where no handler is."""


def kill_after(patch, saves):
    """Lets a training save at every occasion, and ends it before the next one."""
    patch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    save, left = training.Trainer._save, [saves]

    def save_or_stop(self, *arguments, **options):
        if not left[0]:
            raise Killed
        left[0] -= 1
        save(self, *arguments, **options)

    patch.setattr(training.Trainer, "_save", save_or_stop)


@pytest.mark.parametrize("saves", [0, 2, 6, 8])
def test_a_killed_run_resumes_to_the_same_result(
    commands, evolved, tmp_path, monkeypatch, saves
):
    workdir = tmp_path / "run"
    with monkeypatch.context() as patch:
        kill_after(patch, saves)
        with pytest.raises(Killed):
            commands.nb201(workdir, *EVOLVE)
    assert not (workdir / "results.json").exists()
    assert commands.nb201(workdir, *EVOLVE, "--resume") == 0
    assert_equal_runs(workdir, evolved)


def test_a_run_killed_while_it_scores_resumes(commands, evolved, tmp_path, monkeypatch):
    def stop(*_):
        raise Killed

    workdir = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "score_draws", stop)
        with pytest.raises(Killed):
            commands.nb201(workdir, *EVOLVE)
    assert commands.nb201(workdir, *EVOLVE, "--resume") == 0
    assert_equal_runs(workdir, evolved)


def test_resuming_with_other_flags_is_a_mistake(
    commands, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            commands.nb201(tmp_path / "run")
    capsys.readouterr()
    before = contents(tmp_path)
    assert commands.nb201(tmp_path / "run", "--resume", "--epochs=40") == 2
    assert "use the same flags" in one_line(capsys.readouterr())
    assert contents(tmp_path) == before


# Mistakes.


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--predictor=tinny"], "did you mean 'tiny'"),
        (["--train_target=digits_vla"], "did you mean 'digits_val'?"),
        (["--predictor=tinny"], "did you mean 'tiny'?"),
        (["--train_target=accuracy"], "unknown label 'accuracy'; expected one of "),
        (["--eval_target=accuracy"], "unknown label 'accuracy'; expected one of "),
        (["--n_train=15000", "--n_val=1000"], "15000 + 1000 is more than the 15625"),
        (["--n_test=15620"], "n_test = 15620 is more than"),
        (["--n_train=1"], "expected a whole number >= 2"),
        (["--self_evolution=on"], "off, minimax, projection, control"),
        (["--seeds=0,0"], "distinct whole numbers"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    commands, tmp_path, capsys, flags, message
):
    capsys.readouterr()
    began = time.monotonic()
    assert commands.nb201(tmp_path / "run", *flags) == 2
    assert time.monotonic() - began < 5
    assert message in one_line(capsys.readouterr())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_one_line_and_writes_nothing(
    commands, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    capsys.readouterr()
    assert commands.nb201(tmp_path / "run", "--predictor=trees") == 2
    assert "pip install '.[trees]'" in one_line(capsys.readouterr())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("main", "flags", "message"),
    [
        (nb201.main, ["--n_train=5"], "--workdir is missing"),
        (nb201.main, ["--n_train=5", "--workdir=new", "x"], "'x' is not --name=value"),
        (nb201.main, ["--workdir=new"], "--n_train is missing"),
        (nb101.main, ["--n_train=5", "--workdir=new"], "no benchmark data at "),
        (
            nb101.main,
            ["--n_train=5", "--workdir=new", "--table=digits"],
            "use python -m experiments.nb201",
        ),
    ],
)
def test_mistakes_that_need_no_table(
    commands, tmp_path, monkeypatch, capsys, main, flags, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TNASP_DATA", raising=False)
    capsys.readouterr()
    assert commands.call(main, command.define_shared, flags) == 2
    assert message in one_line(capsys.readouterr())
    assert list(tmp_path.iterdir()) == []


def test_a_workdir_that_holds_something_else(commands, tmp_path, capsys):
    capsys.readouterr()
    (tmp_path / "file").write_text("mine")
    assert commands.nb201(tmp_path / "file", "--overwrite") == 2
    assert "is a file" in one_line(capsys.readouterr())
    assert commands.nb201(tmp_path, "--overwrite") == 2
    assert "holds files but no run" in one_line(capsys.readouterr())
    assert (tmp_path / "file").read_text() == "mine"


# The predict command.


def call_predict(commands, *arguments):
    return commands.call(
        predict.main, predict.define, arguments, words="ARCHITECTURE ..."
    )


def test_predict_scores_text_on_the_line(commands, plain, capsys):
    capsys.readouterr()
    assert call_predict(commands, f"--run={plain}", *ARCHITECTURES) == 0
    captured = capsys.readouterr()
    scores = runs.load(plain).predict(ARCHITECTURES)
    expected = [f"{t}\t{s:.6f}" for t, s in zip(ARCHITECTURES, scores, strict=True)]
    assert captured.out.splitlines() == expected
    assert read(plain)["train_target"] in captured.err
    assert "fraction" in captured.err and "mean of 2 trained models" in captured.err
    assert len(captured.err.splitlines()) == 1


def test_predict_reads_stdin(commands, plain, capsys, monkeypatch, tmp_path):
    capsys.readouterr()
    text = "\n".join(["", *ARCHITECTURES, ""])
    (tmp_path / "input").write_text(text)
    with (tmp_path / "input").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert call_predict(commands, f"--run={plain}", "--std", "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = [line.split("\t") for line in captured.out.splitlines()]
    assert [line[0] for line in lines] == ARCHITECTURES
    assert all(float(line[2]) > 0 for line in lines)


def test_mistakes_of_predict(commands, plain, tmp_path, capsys):
    capsys.readouterr()
    for arguments, message in [
        (["--run=" + str(tmp_path / "no"), ARCHITECTURES[0]], "no such folder"),
        ([ARCHITECTURES[0]], "--run is missing"),
        ([f"--run={plain}", ARCHITECTURES[0], "|conv~0|"], "architecture 1: "),
    ]:
        assert call_predict(commands, *arguments) == 2
        assert message in one_line(capsys.readouterr())

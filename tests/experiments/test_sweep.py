"""Cells by name: what a name means, what is skipped, what is gone on from."""

import json

import jax
import pytest

from experiments import sweep
from experiments.cells import pipeline
from experiments.shell.command import UserError

# What test_table_commands.py compiles too.
RECIPE = """
--predictor=tiny
--n_val=16
--epochs=6
--learning_rate=1e-2
--seeds=0,1
--se_rounds=3
--se_steps=4
"""


@pytest.fixture
def flagfiles(tmp_path, monkeypatch, table_flags):
    """Flag files of small recipes."""
    folder = tmp_path / "flagfiles"
    folder.mkdir()
    (folder / "nb201_tiny.flags").write_text(RECIPE)
    monkeypatch.setattr(sweep, "FLAGFILES", folder)
    return folder


@pytest.fixture
def table_name(table_flags):
    return "nb201digits" if table_flags == ("--table=digits",) else "nb201"


@pytest.fixture
def run(commands, flagfiles, tmp_path, monkeypatch, table_flags):
    """`run(names)`: the exit code of a sweep in tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # They serve other tests.

    def run_sweep(*names):
        data = [flag for flag in table_flags if flag.startswith("--data_dir")]
        return commands.call(sweep.main, sweep.define, [*names, *data], "NAME ...")

    return run_sweep


@pytest.fixture
def ran(monkeypatch):
    """Folder and from_run of each cell that was run."""
    calls = []
    run_cell = pipeline.run_cell

    def recorded(cell, table, workdir, *, from_run, **options):
        calls.append((workdir.name, from_run.name if from_run else None))
        return run_cell(cell, table, workdir, from_run=from_run, **options)

    monkeypatch.setattr(pipeline, "run_cell", recorded)
    return calls


@pytest.mark.parametrize(
    ("name", "module", "arguments"),
    [
        ("nb101_tnasp_424", "nb101", "nb101_tnasp 424 off"),
        ("nb101_tnasp_nopos_100_test100", "nb101", "nb101_tnasp_nopos 100 off 100"),
        ("nb201_tnasp_78", "nb201", "nb201_tnasp 78 off"),
        ("nb201_tnasp_se_78", "nb201", "nb201_tnasp 78 minimax"),
        ("nb201_tnasp_seproj_78", "nb201", "nb201_tnasp 78 projection"),
        ("nb201_tnasp_nopos_control_78", "nb201", "nb201_tnasp_nopos 78 control"),
        ("nb201_tnasp_edges_se_5_test9", "nb201", "nb201_tnasp_edges 5 minimax 9"),
        ("nb201digits_tnasp_se_78", "nb201", "nb201_tnasp 78 minimax digits"),
        ("darts545_best_54", "rank", "darts_best 54 off darts545"),
        ("darts214_gp_21", "rank", "darts_gp 21 off darts214"),
        ("nb301xgb_trees_121", "rank", "darts_trees 121 off nb301xgb"),
        ("nb301yahpo_tnasp_control_50", "rank", "darts_tnasp 50 control nb301yahpo"),
        ("accel_tnasp_se_410_test9", "rank", "mnasnet_tnasp 410 minimax 9 accel"),
    ],
)
def test_a_name_is_a_command(name, module, arguments):
    named = sweep.read_name(name)
    flagfile, n_train, mode, *rest = arguments.split()
    expected = [
        f"--flagfile=experiments/flagfiles/{flagfile}.flags",
        f"--n_train={n_train}",
        f"--self_evolution={mode}",
    ]
    for word in rest:
        expected.append(f"--n_test={word}" if word.isdigit() else f"--table={word}")
    assert (named.name, named.module, named.arguments) == (name, module, expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nb401_tnasp_78", "expected TABLE_PREDICTOR"),
        ("nb201_tnasp", "expected TABLE_PREDICTOR"),
        ("nb201_tnasp_78_test", "expected TABLE_PREDICTOR"),
        ("nb201_tnasp_se78", "expected TABLE_PREDICTOR"),
        ("nb201_nothing_78", "no recipe of nothing for nb201; there are .*tnasp"),
        ("nb101_tnasp_edges_78", "no recipe of tnasp_edges for nb101"),
        ("darts54_gp_54", "did you mean darts545_gp_54?"),
        ("nb21_tnasp_78_test100", "did you mean nb201_tnasp_78_test100?"),
        ("nb201_tnaps_se_78", "did you mean nb201_tnasp_se_78?"),
        ("accel_tnasp_edges_50", "no recipe of tnasp_edges for accel; there are"),
    ],
)
def test_a_bad_name_is_a_mistake(name, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        sweep.read_name(name)


def test_a_mistake_runs_nothing(run, table_name, tmp_path, capsys, ran):
    capsys.readouterr()
    good = f"{table_name}_tiny_12_test60"
    for bad, message in [
        (f"{table_name}_tinny_5", f"did you mean {table_name}_tiny_5?"),
        (f"{table_name}_tiny_1", "--n_train=1"),
        (f"{table_name}_tiny_012_test60", f"write {good}"),
        ("nothing", "expected TABLE_PREDICTOR"),
    ]:
        assert run(good, bad) == 2
        captured = capsys.readouterr()
        assert message in captured.err and len(captured.err.splitlines()) == 1
        assert captured.out == ""
    assert run() == 2
    assert "no cell named" in capsys.readouterr().err
    assert ran == []
    assert {path.name for path in tmp_path.iterdir()} == {"flagfiles"}


def test_cells_are_run_once_and_share_their_training(
    run, table_name, tmp_path, capsys, ran
):
    plain = f"{table_name}_tiny_12_test60"
    evolved = f"{table_name}_tiny_se_12_test60"
    assert run(plain, evolved) == 0
    assert ran == [(plain, None), (evolved, plain)]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [plain, evolved]
    for name in (plain, evolved):
        published = (tmp_path / "results" / f"{name}.json").read_bytes()
        assert published == (tmp_path / "runs" / name / "results.json").read_bytes()
        values = json.loads(published)
        assert values["name"] == name
        assert values["argv"][:3] == ["python", "-m", "experiments.nb201"]

    # Finished: nothing is run, nor is the table of results touched.
    ran.clear()
    (tmp_path / "results" / f"{plain}.json").write_text("{}")
    assert run(plain, evolved) == 0
    assert ran == []
    assert (tmp_path / "results" / f"{plain}.json").read_text() == "{}"

    # The run is there, its results are not: they are copied.
    (tmp_path / "results" / f"{evolved}.json").unlink()
    assert run(evolved) == 0
    assert (tmp_path / "results" / f"{evolved}.json").read_bytes() == published


def test_a_cut_sweep_goes_on(run, table_name, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    names = [f"{table_name}_tiny{part}_12_test60" for part in ("", "_se")]
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "score_draws", stop)
        assert run(*names) == 130
    assert (tmp_path / "runs" / names[0] / "checkpoints").is_dir()
    assert not (tmp_path / "results").exists()
    assert run(*names) == 0
    found = {path.stem for path in (tmp_path / "results").iterdir()}
    assert found == set(names)


def test_missing_data_is_a_mistake(commands, flagfiles, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    arguments = ["nb201_tiny_5", f"--data_dir={tmp_path}"]
    assert commands.call(sweep.main, sweep.define, arguments, "NAME ...") == 2
    assert "no benchmark data at" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"flagfiles"}

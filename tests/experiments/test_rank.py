"""Other spaces: the command as a user runs it, its mistakes, its tables."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import blocks, rank, sweep, tables
from experiments.cells import draws, ranked, table_command
from experiments.shell import command, strict_flags
from tests.made_results import result
from tnasp_jax import benchmarks, runs

ROOT = Path(__file__).parents[2]
GP = "--flagfile=experiments/flagfiles/darts_gp.flags"


@pytest.fixture
def run(commands, data_dir, monkeypatch):
    """`run(*flags)`: the exit code of the command in this process, at the root."""
    monkeypatch.chdir(ROOT)

    def run_rank(*flags):
        return commands.call(
            rank.main, ranked.define, [*flags, f"--data_dir={data_dir}"]
        )

    return run_rank


def written(workdir):
    return json.loads((workdir / "results.json").read_text())


def test_the_command_as_users_run_it(data_dir, tmp_path):
    workdir = tmp_path / "run"
    words = ["-m", "experiments.rank", "--table=darts545", GP, "--n_train=54"]
    words += ["--seeds=0,1", f"--workdir={workdir}", f"--data_dir={data_dir}"]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    values = written(workdir)
    assert (values["name"], values["space"]) == ("darts545_gp_54", "darts")
    assert (values["n_val"], values["n_test"]) == (50, 545 - 54 - 50)
    assert values["train_target"] == values["eval_target"] == "test_50ep"
    assert 0.5 < values["kendall_tau"]["mean"] < 0.75
    assert f"{values['kendall_tau']['mean']:.3f}" in done.stdout
    assert "label agreement" not in done.stdout
    flags = (workdir / "flags.txt").read_text().splitlines()
    assert {"--table=darts545", "--n_val=50"} <= set(flags)

    with np.load(workdir / "predictions.npz") as arrays:
        assert arrays["scores"].shape == (2, 441)
    text = benchmarks.load("darts545", data_dir).texts(0)
    assert 0 < runs.load(workdir).predict([text])[0] < 1


@pytest.mark.parametrize(
    ("flags", "n_val", "n_test"),
    [
        (("--table=darts214", "--n_train=21"), 20, 173),
        (("--table=darts214", "--n_train=107", "--n_val=7"), 7, 100),
        (("--table=nb301xgb", "--n_train=609"), 200, 409),
        (("--table=accel", "--n_train=410"), 200, 512),
    ],
)
def test_validation_follows_from_the_table(data_dir, flags, n_val, n_test):
    values = strict_flags.create(ranked.define)
    command.parse(values, [*flags, "--seeds=3", f"--data_dir={data_dir}"])
    table = table_command.load_table(values, "rank")
    cell = table_command.cell_of(values, table)
    assert cell.n_val == n_val
    assert f"--n_val={n_val}\n" in command.resolved(values)
    (split,) = draws.draw_data(cell, table).splits
    assert (len(split.val_index), len(split.test_index)) == (n_val, n_test)
    assert not set(split.test_index) & {*split.train_index, *split.val_index}


def test_self_evolution_runs(run, tmp_path):
    words = ("--predictor=tiny", "--epochs=1", "--seeds=3", "--table=darts214")
    words += ("--n_train=21", "--self_evolution=minimax", "--se_rounds=2")
    assert run(*words, "--se_steps=2", f"--workdir={tmp_path / 'run'}") == 0
    values = written(tmp_path / "run")
    assert values["name"] == "darts214_tiny_se_21"
    assert len(values["self_evolution_rounds"]) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--table=darts54",), "no table 'darts54'; did you mean --table=darts545? "),
        (("--table=nb3O1xgb",), "did you mean --table=nb301xgb? "),
        ((), "--table is missing; there are darts545, darts214, "),
        (("--table=darts214", "--n_train=200"), "200 + 20 is more than the 214 rows"),
        (("--table=darts545", "--n_train=495"), "leaves none of the 545 rows"),
        (("--table=accel", "--n_train=4600"), "4600 + 200 is more than the 4626 rows"),
        (("--table=darts545", "--predictor=tnasp_edges"), "choose 'tnasp' for it"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    run, tmp_path, capsys, flags, message
):
    capsys.readouterr()
    needed = ("--n_train=54",) if not any("n_train" in f for f in flags) else ()
    assert run(*flags, *needed, f"--workdir={tmp_path / 'run'}") == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_missing_data(commands, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    flags = ["--table=accel", "--n_train=50", f"--workdir={tmp_path / 'run'}"]
    flags.append(f"--data_dir={tmp_path}")
    assert commands.call(rank.main, ranked.define, flags) == 2
    assert "no benchmark data at" in capsys.readouterr().err


def test_a_sweep_takes_the_validation_cells_of_its_table(
    commands, data_dir, tmp_path, monkeypatch
):
    """Of two cells of one table, the second with the table read already."""
    folder = tmp_path / "flagfiles"
    folder.mkdir()
    recipe = "--predictor=tiny\n--epochs=1\n--seeds=0\n"
    (folder / "darts_tiny.flags").write_text(recipe)
    monkeypatch.setattr(sweep, "FLAGFILES", folder)
    monkeypatch.setattr(sweep.jax, "clear_caches", lambda: None)
    monkeypatch.chdir(tmp_path)
    names = ["darts214_tiny_21", "darts214_tiny_107"]
    words = [*names, f"--data_dir={data_dir}"]
    assert commands.call(sweep.main, sweep.define, words, "NAME ...") == 0
    for name in names:
        values = json.loads((tmp_path / "results" / f"{name}.json").read_text())
        assert (values["name"], values["n_val"]) == (name, 20)
        assert values["argv"][2] == "experiments.rank"


def test_every_flag_file_of_these_spaces_is_a_cell():
    files = [*sweep.FLAGFILES.glob("darts_*"), *sweep.FLAGFILES.glob("mnasnet_*")]
    # Others are recipes of the command that searches the space.
    files = [path for path in files if "experiments.darts " not in path.read_text()]
    assert {"darts_best", "mnasnet_best"} <= {path.stem for path in files}
    for path in files:
        lines = path.read_text().splitlines()
        assert f"--flagfile=experiments/flagfiles/{path.name} " in lines[0]
        values = strict_flags.create(ranked.define)
        command.parse(values, [f"--flagfile={path}"])
        assert path.stem.endswith(f"_{values.predictor}")
        assert values.n_val is None and len(values.seeds) == 10


# The tables.


def write(folder, table, predictor, n_train, tau, target, **changes):
    """A made-up results.json."""
    name = f"{table}_{predictor}_{n_train}"
    changes = {"n_val": 50, "n_test": 441, **changes}
    made = result(name, table, predictor, n_train, tau, target, [target], **changes)
    (folder / f"{name}.json").write_text(json.dumps(made))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "darts545", "gp", 54, 0.62, "test_50ep")
    write(tmp_path, "darts545", "gp", 272, 0.7, "test_50ep", n_test=223)
    write(tmp_path, "nb301xgb", "best", 100, 0.5, "xgb_val", seeds=[0, 1])
    write(tmp_path, "accel", "gp", 410, 0.8, "top1", n_test=512)
    return tmp_path


def test_other_spaces_stand_after_the_papers_tables(folder):
    text = tables.document(folder, "text")
    second = text.index("Table 2: ")
    measured = text.index("Other spaces: 545 DARTS networks", second)
    surrogate = text.index("Other spaces: 1,218 DARTS networks, surrogate", measured)
    assert text.index("Other spaces: 5,138 MnasNet", surrogate)
    assert "214 DARTS" not in text  # Without results there is nothing to print.
    part = text[measured:surrogate]
    assert "ours: gp  -   0.620 (0.012)  -    -    0.700 (0.012)" in part
    assert "ranked: 223 to 441 others, without the 50 validation" in part
    assert "published" not in part and "agreement" not in part
    assert "0.500 (0.012, 2 draws)" in text[surrogate:]


def test_the_blocks_of_the_docs_hold_their_own_spaces(folder):
    text = tables.of_spaces(folder, ranked.DARTS)
    assert "| method | 50 | 54 | 100 | 200 | 272 |" in text
    row = "| &nbsp;&nbsp;ours: gp | - | 0.620 (0.012) | - | - | 0.700 (0.012) |"
    assert row in text
    assert "surrogate, not measured" in text
    assert "MnasNet" not in text and "held out" not in text and "cost" not in text


def test_csv_says_what_is_a_surrogate(folder):
    records = csv.DictReader(io.StringIO(tables.document(folder, "csv")))
    found = [r for r in records if r["table"] in ranked.TABLES and r["mean"] != "-"]
    assert len(found) == 2 * 4  # Each once more held out.
    for record in found:
        if record["block"].startswith("Other spaces"):
            assert ("surrogate" in record["block"]) == (record["table"] == "nb301xgb")
    assert [found[0][k] for k in ("n_train", "mean", "std", "draws", "published")] == [
        *("54", "0.62", "0.0123", "10", "-"),
    ]


@pytest.mark.parametrize(
    ("name", "file", "which"),
    [
        ("ranking_darts", "darts.md", ranked.DARTS),
        ("ranking_mnasnet", "chains.md", ranked.MNASNET),
    ],
)
def test_the_docs_show_the_results(name, file, which):
    made = tables.of_spaces(ROOT / "results", which)
    assert blocks.marked((ROOT / "docs" / file).read_text(), name) == made, (
        f"docs/{file} differs from results/; run python -m experiments.blocks {name}"
    )


def test_a_table_says_whether_it_is_a_surrogate(data_dir):
    for name, table in ranked.TABLES.items():
        if name == "nb301":  # Its file is not at hand; test_convert_nasbench301 has it.
            continue
        loaded = benchmarks.load(name, data_dir)
        assert table.train_target == loaded.train_target
        described = loaded.describe[loaded.train_target]
        assert ("surrogate" in table.title) == ("surrogate" in described)

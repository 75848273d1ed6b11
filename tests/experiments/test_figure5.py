"""Figure 5: numbers by hand on made runs, and the command as a user runs it."""

import json
import re
import shutil

import numpy as np
import pytest

from experiments import figure5
from experiments.reports import figures, top_ranks
from tests.made_results import run_folder
from tnasp_jax import benchmarks, plotting

TABLE = benchmarks.load("nb201digits")
TRUTH = TABLE.label("digits_test")


def write_run(home, predictor, scores, index=None, **changes):
    """A made run folder of the cell nb201digits_PREDICTOR_78."""
    index = np.arange(len(TABLE)) if index is None else index
    arrays = {"index": index, "scores": scores}
    return run_folder(home, TABLE, predictor, 78, arrays, **changes)


@pytest.fixture
def home(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, len(TABLE))).astype(np.float32)
    runs = tmp_path / "runs"
    write_run(runs, "tnasp", TRUTH[None] + 0.02 * noise)
    write_run(runs, "gp", TRUTH[None] + 0.01 * noise[:2])
    evolved = {"self_evolution": "minimax", "name": "nb201digits_tnasp_se_78"}
    write_run(runs, "tnasp_se", noise, **evolved)
    return runs


@pytest.fixture
def run(commands, tmp_path):
    def run_figure5(*arguments, out=tmp_path / "out"):
        given = [f"--runs={tmp_path / 'runs'}", f"--out={out}", "--quiet", *arguments]
        return commands.call(figure5.main, figure5.define, given, "COLUMN ...")

    return run_figure5


def said(capsys, message):
    """One line on stderr that the pattern fits."""
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(message, error)


def columns_of(out):
    return json.loads((out / "figure5.json").read_text())["columns"]


def means(numbers, quantity):
    return {point: each["mean"] for point, each in numbers[quantity].items()}


# The numbers.


def test_numbers_by_hand(monkeypatch):
    monkeypatch.setattr(top_ranks, "TOPS", (30, 50, 100))
    monkeypatch.setattr(top_ranks, "KS", (1, 3, 1000))
    truth = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    first = np.array([9, 10, 8, 7, 6, 5, 4, 3, 2, 1])  # The best two change places.
    second = truth[::-1]
    found = top_ranks.of_draws(np.stack([first, second]), np.stack([truth, truth]))
    # One of 3, 10 and 45 pairs is discordant; then all are.
    tau = found["tau_top"]
    assert tau["30"]["per_seed"] == pytest.approx([1 / 3, -1], abs=1e-6)
    assert tau["50"]["per_seed"] == pytest.approx([0.8, -1], abs=1e-6)
    assert tau["100"]["per_seed"] == pytest.approx([43 / 45, -1], abs=1e-6)
    assert tau["100"]["mean"] == pytest.approx(-1 / 45, abs=1e-6)
    assert tau["100"]["std"] == pytest.approx(88 / 45 / np.sqrt(2), abs=1e-6)
    assert found["precision_at_k"].keys() == {"1", "3"}  # No 1000 of ten cells.
    assert found["precision_at_k"]["1"]["per_seed"] == [0, 0]
    assert found["precision_at_k"]["3"]["per_seed"] == [1, 0]
    assert found["regret_at_k"]["1"]["per_seed"] == pytest.approx([0.1, 0.9])
    assert found["regret_at_k"]["3"]["per_seed"] == pytest.approx([0, 0.7])
    assert found["unlabelled"] == 0


def test_ties_go_to_the_lower_row():
    truth = np.array([[0.1, 0.5, 0.9]])
    found = top_ranks.of_draws(np.zeros((1, 3)), truth)
    assert found["regret_at_k"]["1"]["mean"] == pytest.approx(0.8)
    assert found["precision_at_k"]["1"]["mean"] == 0
    assert found["tau_top"]["100"]["mean"] is None  # All scores are equal.
    assert "equal" in found["tau_top"]["100"]["reason"]


def test_nan_scores_give_no_number_and_nan_truths_are_left_out():
    truth = np.array([[0.1, 0.2, 0.3, np.nan]] * 2)
    scores = np.array([[1.0, 2.0, 3.0, np.nan], [1.0, np.nan, 3.0, 9.0]])
    found = top_ranks.of_draws(scores, truth)
    assert found["unlabelled"] == 1
    for quantity, point in (("tau_top", "100"), ("precision_at_k", "1")):
        numbers = found[quantity][point]
        assert numbers["per_seed"] == [1, None] and numbers["mean"] == 1
        assert numbers["std"] is None and "NaN" in numbers["reason"]


# The command.


def test_the_command_writes_numbers_and_a_plot(home, run, tmp_path, capsys):
    assert run("nb201digits_78") == 0
    out = tmp_path / "out"
    assert capsys.readouterr().out.split() == [
        *(str(out / "figure5.json"), str(out / "figure5.png")),
    ]
    assert (out / "figure5.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in out.iterdir()} == {"figure5.json", "figure5.png"}
    column = json.loads((out / "figure5.json").read_text())["columns"]["nb201digits_78"]
    assert (column["n_train"], column["n_test"]) == (78, len(TABLE))
    assert column["eval_target"] == "digits_test"
    assert list(column["predictors"]) == ["tnasp", "gp"]  # As in the registry.
    tnasp, gp = column["predictors"].values()
    assert len(gp["seeds"]) == 2 and len(gp["tau_top"]["1"]["per_seed"]) == 2
    for share in ("5", "10", "30", "50", "100"):
        assert means(tnasp, "tau_top")[share] < means(gp, "tau_top")[share]
    assert list(means(gp, "precision_at_k")) == ["1", "10", "100", "1000"]
    assert means(gp, "regret_at_k")["1000"] <= means(gp, "regret_at_k")["1"]


def test_each_draw_may_have_its_own_cells(tmp_path, run):
    rng = np.random.default_rng(0)
    index = np.stack([rng.permutation(len(TABLE))[:50] for _ in range(2)])
    name = "nb201digits_tnasp_78_test50"
    write_run(tmp_path / "runs", "tnasp", TRUTH[index], index, name=name)
    assert run("nb201digits_78_test50") == 0
    text = (tmp_path / "out" / "figure5.json").read_text()
    column = json.loads(text)["columns"]["nb201digits_78_test50"]
    numbers = column["predictors"]["tnasp"]
    assert set(means(numbers, "precision_at_k").values()) == {1.0}
    assert "100" not in numbers["precision_at_k"]
    assert numbers["tau_top"]["1"]["mean"] is None  # One cell has no order.


def test_keep_goes_on_from_the_file_that_is_there(home, run, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("--keep", "nb201digits_78") == 2
    said(capsys, "--keep: .*figure5.json is not there")
    assert not out.exists()
    assert run("nb201digits_78") == 0
    shutil.rmtree(home)
    write_run(home, "best", TRUTH[None])
    write_run(home, "gp", TRUTH[None])
    before = columns_of(out)["nb201digits_78"]["predictors"]
    assert run("--keep", "nb201digits_78") == 0
    after = columns_of(out)["nb201digits_78"]["predictors"]
    assert list(after) == ["tnasp", "gp", "best"]
    assert after["tnasp"] == before["tnasp"] and after["gp"] != before["gp"]
    capsys.readouterr()
    assert run("--keep", "--overwrite", "nb201digits_78") == 2
    said(capsys, "--keep goes on from what --overwrite replaces")
    assert run("nb201digits_78") == 2
    said(capsys, "figure5.json exists; --overwrite replaces it")
    assert columns_of(out)["nb201digits_78"]["predictors"] == after
    assert run("--overwrite", "nb201digits_78") == 0
    assert list(columns_of(out)["nb201digits_78"]["predictors"]) == ["gp", "best"]


def test_keep_refuses_what_is_not_the_same_column(home, run, tmp_path, capsys):
    file = tmp_path / "out" / "figure5.json"
    assert run("nb201digits_78") == 0
    column = json.loads(file.read_text())["columns"]["nb201digits_78"]
    for content, message in (
        ({"columns": {"nb201digits_78": column | {"data_sha256": "0"}}}, "data_sha256"),
        ({"columns": None}, "of another command"),
    ):
        file.write_text(json.dumps(content))
        capsys.readouterr()
        assert run("--keep", "nb201digits_78") == 2
        said(capsys, message)
        assert json.loads(file.read_text()) == content


def test_without_matplotlib_the_numbers_are_there(
    home, run, tmp_path, capsys, monkeypatch
):
    def missing(columns):
        raise ModuleNotFoundError("matplotlib")

    monkeypatch.setattr(figure5, "draw", missing)
    assert run("nb201digits_78") == 0
    assert "pip install '.[plots]'" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["figure5.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nb201digits"], "expected TABLE_N, such as nb201_469"),
        (["nb301_78"], "expected TABLE_N"),
        (["nb201digits_156"], "sweep --runs=.* nb201digits_tnasp_156"),
        (["--run=x"], "unknown flag --run"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    home, run, tmp_path, capsys, arguments, message
):
    assert run(*arguments) == 2
    said(capsys, message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_sha256": "0" * 64}, "saw other data"),
        ({"eval_target": "digits_val"}, "ranked by different labels"),
        ({"predictor": "gp"}, "are runs of one cell"),
    ],
)
def test_runs_that_do_not_fit(home, run, tmp_path, capsys, changes, message):
    path = home / "nb201digits_tnasp_78" / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert run("nb201digits_78") == 2
    said(capsys, message)
    assert not (tmp_path / "out").exists()


def test_damaged_predictions(home, run, tmp_path, capsys):
    path = home / "nb201digits_gp_78" / "predictions.npz"
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert run("nb201digits_78") == 2
        said(capsys, "not the predictions of a finished run")
    path.unlink()
    assert run("nb201digits_78") == 2
    said(capsys, "not the predictions of a finished run")
    assert not (tmp_path / "out").exists()


def test_folders_that_are_not_there(run, tmp_path, capsys):
    assert run() == 2
    said(capsys, "--runs=.*: no such folder")
    file = tmp_path / "file"
    file.write_text("mine")
    assert run(out=file) == 2
    said(capsys, "is a file; name a folder")
    assert file.read_text() == "mine"
    assert run(out="") == 2
    said(capsys, "--out is missing")


# The plot.


def test_curves_share_one_legend_and_keep_their_colours():
    ones = (np.ones(2), np.full(2, 0.1))
    gap = (np.array([1.0, np.nan]), np.array([np.nan, np.nan]))
    rows = {
        "first": [plotting.Panel("what", "x", ["1", "10"], {"a": ones, "b": gap})],
        "second": [plotting.Panel("what", "x", ["1", "10"], {"b": ones})],
    }
    figure = plotting.curves(rows)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    first, second = figure.axes
    assert first.lines[0].get_color() != first.lines[1].get_color()
    assert second.lines[0].get_color() == first.lines[1].get_color()
    np.testing.assert_array_equal(first.lines[1].get_ydata(), gap[0])
    figure.draw_without_rendering()


def test_many_curves_stay_apart():
    names = [f"predictor {at}" for at in range(14)]
    lines = {name: (np.ones(1), np.zeros(1)) for name in names}
    figure = plotting.curves({"title": [plotting.Panel("what", "x", ["1"], lines)]})
    looks = {
        (line.get_color(), line.get_marker(), line.get_linestyle())
        for line in figure.axes[0].lines
    }
    assert len(looks) == len(names)


def test_a_run_of_a_supernet_is_passed_by(home):
    other = home / "supernet"
    other.mkdir()
    (other / "results.json").write_text('{"sampling": "spos"}')
    assert list(figures.find_runs(home, "nb201digits_78")) == ["tnasp", "gp"]

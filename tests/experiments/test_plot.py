"""Plots of finished runs: made run folders, and the command as a user runs it."""

import json
import re

import numpy as np
import pytest

from experiments import plot
from experiments.reports import plot_curves
from experiments.searching import plot_fronts
from tests.made_results import run_folder
from tnasp_jax import benchmarks, plotting

Text = pytest.importorskip("matplotlib.text").Text

TABLE = benchmarks.load("nb201digits")
TRUTH = TABLE.label("digits_test")


def tau(mean):
    return {"per_seed": [mean, mean + 0.02], "mean": mean + 0.01, "std": 0.014}


def line(round_):
    return {
        "stage": "evolve",
        "round": round_,
        "fit_last": 3.0,
        "proxy_last": 2.0 / round_,
        "constraint_last": 1.0,
        "largest_violation_first": 0.3,
        "largest_violation_last": 0.2,
        "val_tau_before": 0.7,
        "val_tau_after": 0.7 + 0.01 * round_,
    }


def write_run(home, predictor="tnasp", n_train=78, **changes):
    """A made run folder of two draws on the embedded table."""
    arrays = {
        "index": np.arange(len(TABLE)),
        "scores": np.stack([TRUTH, TRUTH]).astype(np.float32),
        "train_index": np.arange(2 * n_train).reshape(2, n_train),
    }
    known = {
        "n_val": 200,
        "seeds": [3, 4],
        "kendall_tau": tau(0.6 + n_train / 1000),
        "kendall_tau_heldout": tau(0.5 + n_train / 1000),
        "ceiling": 0.9,
        "self_evolution_rounds": [],
    }
    return run_folder(home, TABLE, predictor, n_train, arrays, **known | changes)


@pytest.fixture
def run(commands, tmp_path):
    def run_plot(*arguments, out=tmp_path / "out"):
        given = [f"--out={out}", *arguments]
        return commands.call(plot.main, plot.define, given, "RUN ...")

    return run_plot


def refused(capsys, message):
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert re.search(message, said.err)


def test_each_run_gets_the_plots_that_it_supports(run, tmp_path, capsys):
    plain = write_run(tmp_path)
    evolved = write_run(
        tmp_path,
        "other",
        156,
        self_evolution="minimax",
        self_evolution_rounds=[line(1), line(2)],
    )
    assert run(plain, evolved) == 0
    names = [
        f"scatter_{plain.name}.png",
        f"scatter_{evolved.name}.png",
        f"rounds_{evolved.name}.png",
    ]
    out = tmp_path / "out"
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    assert {path.name for path in out.iterdir()} == set(names)
    for path in out.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_runs_of_one_predictor_give_a_learning_curve(run, tmp_path, capsys):
    folders = [write_run(tmp_path, "tnasp", size) for size in (156, 78)]
    folders.append(write_run(tmp_path, "gp", 78))
    assert run(*folders) == 0
    size = len(TABLE)
    name = f"learning_curve_nb201digits_digits_val_digits_test_{size}.png"
    assert capsys.readouterr().out.split()[-1] == str(tmp_path / "out" / name)


def test_a_scatter_says_what_it_shows(tmp_path):
    folder = write_run(tmp_path)
    summary = plot.read(folder)
    figure = plot.scatter(folder, summary, TABLE)()
    (axes,) = figure.axes
    title = axes.get_title(loc="left")
    for part in (
        "NAS-Bench-201 on digits: tnasp, 78 training cells, draw of seed 3",
        "tau-b 0.678 over 15,625 cells; 2 draws: 0.688 (sd 0.014); ceiling 0.900",
    ):
        assert part in title
    assert axes.get_xlabel() == "measured digits_test, %"
    assert axes.get_ylabel() == "predicted digits_val, %"
    assert "78 training architectures" in axes.get_legend().get_texts()[1].get_text()
    figure.draw_without_rendering()
    assert axes.title.get_window_extent().x1 <= figure.bbox.x1


def test_rounds_start_before_the_first_one():
    summary = {
        "table": "nb201digits",
        "predictor": "tnasp",
        "self_evolution": "minimax",
        "n_train": 78,
        "n_val": 200,
        "seeds": [0],
        "train_target": "digits_val",
        "targets": TABLE.describe,
    }
    figure = plot_curves.rounds(summary, [line(1), line(2)])
    taus, violation, terms = figure.axes
    np.testing.assert_allclose(taus.lines[0].get_ydata(), [0.7, 0.71, 0.72])
    assert [text.get_text() for text in taus.get_xticklabels()] == ["0", "1", "2"]
    assert len(violation.lines) == 2 and len(terms.lines) == 3
    control = [{"round": 1, "val_tau_before": 0.7, "val_tau_after": 0.71}]
    assert len(plot_curves.rounds(summary, control).axes) == 1


def test_a_learning_curve_by_hand(tmp_path):
    runs = [
        plot.read(write_run(tmp_path, predictor, size))
        for predictor, size in (("gp", 78), ("tnasp", 156), ("tnasp", 78))
    ]
    (draw,) = plot_curves.of_runs(runs).values()
    everywhere, heldout = draw().axes
    tnasp, gp = (everywhere.lines[at].get_ydata() for at in (0, 1))
    np.testing.assert_allclose(tnasp, [0.688, 0.766])
    np.testing.assert_allclose(gp, [0.688, np.nan])
    np.testing.assert_allclose(heldout.lines[0].get_ydata(), [0.588, 0.666])
    assert everywhere.lines[-1].get_ydata()[0] == 0.9  # The ceiling.
    assert plot_curves.of_runs(runs[:1] + runs[2:]) == {}


def test_runs_that_are_not_comparable_share_no_curve(tmp_path):
    one = plot.read(write_run(tmp_path, "tnasp", 78))
    other = plot.read(write_run(tmp_path, "tnasp", 156, n_test=100))
    assert plot_curves.of_runs([one, other]) == {}


def write_own(home, arrays=None, **changes):
    """A made run of two folds on a file of one's own."""
    own = {"name": "mine", "table": "mine", "space": "custom", "ceiling": None}
    folder = write_run(home, "best", 40, **own | changes)
    if arrays:
        np.savez(folder / "predictions.npz", **arrays)
    return folder


def test_a_users_own_file_has_the_rows_of_all_folds(run, tmp_path, capsys):
    measured = np.array([[0.1, 0.2, np.nan], [0.3, 0.4, 0.5]], np.float32)
    arrays = {"scores": 0.9 * measured + 0.05, "measured": measured}
    folder = write_own(tmp_path, arrays)
    assert run(folder) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(tmp_path / "out" / "scatter_mine.png")]
    assert said.err == ""
    figure = plot.scatter_of_folds(folder, plot.read(folder))()
    (axes,) = figure.axes
    (dots,) = axes.collections
    across = np.sort(np.asarray(dots.get_offsets())[:, 0])
    np.testing.assert_allclose(across, [10, 20, 30, 40, 50], rtol=1e-5)
    title = axes.get_title(loc="left")
    for part in (
        "mine: best, 5 rows, each predicted by a model that learnt 40 others\n",
        "cross-validated: tau-b 0.650 (sd 0.014), mean of 2 folds\n",
    ):
        assert part in title
    figure.draw_without_rendering()
    assert axes.title.get_window_extent().x1 <= figure.bbox.x1


def test_an_older_run_on_a_users_own_file_has_its_learning_curve(run, tmp_path, capsys):
    points = [
        {"n_train": size, "kendall_tau": tau(0.5), "kendall_tau_heldout": tau(0.4)}
        for size in (20, 40)
    ]
    folder = write_own(tmp_path, learning_curve=points, folds=2)
    assert run(folder) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(tmp_path / "out" / "learning_curve_mine.png")]
    assert said.err == f"{folder}: {plot.LACKING}\n"
    (draw,) = plot_curves.of_runs([plot.read(folder)]).values()
    figure = draw()
    told = "\n".join(each.get_text() for each in figure.findobj(Text))
    assert "rows ranked; mean and sd of 2 folds" in told
    assert "without rows isomorphic to training rows" in told


def test_a_label_that_names_its_unit_gets_no_second_one():
    both = np.array([0.1, 0.2])
    names = {"predicted_label": "predicted acc %", "measured_label": "measured test"}
    (axes,) = plotting.scatter(both, both, title="", **names).axes
    assert axes.get_ylabel() == "predicted acc %"
    assert axes.get_xlabel() == "measured test, %"


def test_plots_that_are_there_stay(run, tmp_path, capsys):
    folder = write_run(tmp_path)
    there = tmp_path / "out" / f"scatter_{folder.name}.png"
    there.parent.mkdir()
    there.write_text("mine")
    assert run(folder) == 2
    refused(capsys, f"{there.name} exists; --overwrite replaces it")
    assert there.read_text() == "mine"
    assert run(folder, "--overwrite") == 0
    assert there.read_bytes().startswith(b"\x89PNG")


def write_search(home, pareto=("latency",), **changes):
    """A made folder of a search, without its lists of the best."""
    found = {
        "space": "nasbench201",
        "objective": "val_acc",
        "description": "accuracy on somebody's images, fraction; somebody",
        "method": "nsga2",
        "pareto": list(pareto),
        "seeds": [0, 1],
        "budget": 1000,
        "latency": "nb201_pixel3",
        "front": [
            {"score": 0.9, "latency": 8.0, "flops": 3_000_000},
            {"score": 0.8, "latency": 2.0, "flops": 1_000_000},
            {"score": 0.7, "latency": None, "flops": 500_000},
        ],
    }
    home.mkdir()
    (home / "search.json").write_text(json.dumps(found | changes))
    return home


def test_fronts_of_searches_stand_side_by_side(run, tmp_path, capsys):
    first = write_search(tmp_path / "phone")
    second = write_search(tmp_path / "flops", ["flops"], latency=None)
    assert run(first, second) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'fronts.png'}\n"
    figure = plot_fronts.draw([plot.read_search(path) for path in (first, second)])
    left, right = figure.axes
    assert "Google Pixel 3" in left.get_xlabel() and left.get_ylabel() == "val_acc, %"
    assert "somebody's images" in left.get_title("left")
    # What has no latency is on no front against it.
    np.testing.assert_allclose(left.lines[0].get_xydata(), [[2, 80], [8, 90]])
    np.testing.assert_allclose(
        right.lines[0].get_xydata(), [[0.5, 70], [1, 80], [3, 90]]
    )
    assert right.get_xlabel() == "flops, M multiply-adds"


def test_two_searches_of_one_device_have_a_panel_each(run, tmp_path):
    folders = [write_search(tmp_path / name) for name in ("one", "two")]
    assert run(*folders) == 0
    figure = plot_fronts.draw([plot.read_search(folder) for folder in folders])
    assert len(figure.axes) == 2


def test_a_search_without_a_front_has_no_plot(run, tmp_path, capsys):
    assert run(write_search(tmp_path / "plain", [])) == 2
    refused(capsys, "no front against one cost; search with --pareto=COST")
    assert run(write_search(tmp_path / "two", ["flops", "latency"])) == 2
    refused(capsys, "no front against one cost")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "search.json").write_text("[]")
    assert run(broken) == 2
    refused(capsys, "not the results of a search")
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_line_and_write_nothing(run, tmp_path, capsys):
    good = write_run(tmp_path)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "results.json").write_text('{"name": "x"}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.json").write_text("{")
    own = write_own(tmp_path)
    for folders, message in (
        ([], "no run is named"),
        ([good, tmp_path / "none"], "none: no such folder"),
        ([good, unfinished], "not finished; repeat its command with --resume"),
        ([good, tmp_path / "empty"], "holds no run"),
        ([tmp_path / "search"], "not the results of a training run"),
        ([tmp_path / "broken"], "cannot be read as JSON"),
        ([own], "keeps no labels to plot predictions against; repeat its command"),
    ):
        assert run(*folders) == 2
        refused(capsys, message)
    assert run(good, out=good / "results.json") == 2
    refused(capsys, "is a file; name a folder")
    assert not (tmp_path / "out").exists()


def test_runs_that_do_not_fit(run, tmp_path, capsys):
    other = write_run(tmp_path, "a", data_sha256="0" * 64)
    assert run(other) == 2
    refused(capsys, "saw other data")
    damaged = write_run(tmp_path, "b")
    (damaged / "predictions.npz").write_bytes(b"x")
    assert run(damaged) == 2
    refused(capsys, "not the predictions of a finished run")
    twins = [write_run(tmp_path / at, "c") for at in "12"]
    assert run(*twins) == 2
    refused(capsys, "two runs are named nb201digits_c_78")
    assert not (tmp_path / "out").exists()

"""experiments.search and compare_search as a user runs them, on the digits and a run."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tnasp_jax
from experiments import compare_search, search
from experiments.searching import search_costs, search_report
from experiments.searching.search_oracles import Candidates, Incumbent, TableOracle
from experiments.shell.command import UserError
from tnasp_jax.spaces import MNASNET, NASBENCH201, PROXYLESSNAS
from tnasp_jax.spaces.custom import CustomSpace

FIELDS = ["architecture", "score", "params", "flops", "latency"]
TABLE = tnasp_jax.benchmarks.load("nb201digits")
VALIDATION, TEST = TABLE.label("digits_val"), TABLE.label("digits_test")
ROWS = {TABLE.texts(row): row for row in range(len(TABLE))}


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def run(commands, workdir):
    """`run(*flags)`: exit code of a search into `workdir`."""

    def run_search(*flags):
        arguments = [f"--workdir={workdir}", *flags]
        return commands.call(search.main, search.define, arguments)

    return run_search


@pytest.fixture
def trained(tmp_path, commands):
    """The folder of an untrained run, whose scores depend on the operations."""
    space, folder = NASBENCH201, tmp_path / "trained"
    predictor = tnasp_jax.get_predictor("tiny", space)
    graphs = space.to_graphs([(3,) * 6])
    keys = jax.random.split(jax.random.key(0), 2)
    accuracies = jnp.array([[0.1, 0.5, 0.9], [0.2, 0.6, 0.8]])
    params = {
        "network": jax.vmap(lambda key: predictor.init(key, graphs))(keys),
        "scale": jax.vmap(lambda a: tnasp_jax.fit_scale(a, "rank"))(accuracies),
    }
    tnasp_jax.save(
        tnasp_jax.Run(
            space=space,
            predictor_name="tiny",
            params=params,
            target="digits_val",
            description="made up",
        ),
        folder,
    )
    return folder


def read(workdir):
    return json.loads((workdir / "search.json").read_text())


def said(capsys, message):
    """One line on stderr that the pattern fits."""
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(message, error)


# On a table.


def test_a_search_of_the_table(run, workdir, capsys):
    assert run("--table=digits", "--budget=60", "--seeds=0,1") == 0
    found = read(workdir)
    assert (found["space"], found["objective"]) == ("nasbench201", "digits_val")
    assert found["evaluated"] == 120 and found["constraints"] == {}
    assert found["method"] == "evolution" and found["candidates"].startswith("15,625 ")
    assert len(found["best"]) == 10
    for entry in found["best"]:
        assert list(entry) == FIELDS and entry["latency"] is None
        cell = NASBENCH201.parse(entry["architecture"])
        assert entry["params"] == NASBENCH201.parameters(cell)
        assert entry["flops"] == NASBENCH201.flops(cell)
        label = VALIDATION[ROWS[entry["architecture"]]]
        assert entry["score"] == pytest.approx(label, abs=1e-6)
    scores = [entry["score"] for entry in found["best"]]
    assert scores == sorted(scores, reverse=True)
    front = [entry["score"] for entry in found["front"]]
    assert set(front) == {scores[0]}
    output = capsys.readouterr()
    assert "regret" in output.out and "digits_test" in output.out
    assert len(output.err.splitlines()) == 1  # The line of progress.


def test_trajectories_follow_the_best_by_validation(run, workdir):
    assert run("--table=digits", "--budget=40", "--method=random", "--quiet") == 0
    found = read(workdir)
    assert found["optimum"] == pytest.approx(TEST.max(), abs=1e-6)
    (steps,) = found["trajectories"]
    scores = [step["score"] for step in steps]
    assert scores == sorted(set(scores)) and steps[0]["queries"] == 1
    for step in steps:
        assert step["regret"] == pytest.approx(TEST.max() - step["test"], abs=2e-6)
    best = ROWS[found["best"][0]["architecture"]]
    assert steps[-1]["test"] == pytest.approx(TEST[best], abs=1e-6)
    assert found["regret"]["40"]["mean"] == pytest.approx(steps[-1]["regret"], abs=2e-6)


def test_equal_flags_give_equal_searches(run, workdir):
    flags = ("--table=nb201digits", "--budget=30", "--method=local", "--quiet")
    assert run(*flags) == 0
    first = read(workdir)
    assert run(*flags, "--overwrite") == 0
    again = read(workdir)
    for name in ("wall_seconds", "argv"):
        del first[name], again[name]
    assert first == again


def test_limits_and_the_optimum_within_them(run, workdir, capsys):
    assert run("--table=digits", "--budget=40", "--max_params=4e5", "--quiet") == 0
    found = read(workdir)
    assert found["constraints"] == {"params": 400000.0}
    assert max(entry["params"] for entry in found["best"]) <= 400_000
    sizes = [NASBENCH201.parameters(NASBENCH201.parse(text)) for text in ROWS]
    within = TEST[list(ROWS.values())][np.array(sizes) <= 400_000]
    assert found["optimum"] == pytest.approx(within.max(), abs=1e-6)
    assert "params at most 400,000 parameters" in capsys.readouterr().out


def test_a_pareto_front(run, workdir, capsys):
    flags = ("--pareto=params,flops", "--max_flops=1.5e8")
    assert run("--table=digits", "--budget=90", *flags) == 0
    found = read(workdir)
    assert found["method"] == "nsga2" and found["pareto"] == ["params", "flops"]
    front = found["front"]
    assert len(front) > 2
    for one in front:
        assert one["flops"] <= 1.5e8
        for other in front:
            assert not (
                other["score"] > one["score"]
                and other["params"] <= one["params"]
                and other["flops"] <= one["flops"]
            )
    assert "Pareto front" in capsys.readouterr().out


# By a trained predictor.


def test_a_search_by_a_run(run, workdir, trained, capsys):
    flags = ("--budget=60", "--method=local", "--pareto=params", "--quiet")
    assert run(f"--run={trained}", *flags) == 0
    found = read(workdir)
    assert found["objective"] == "digits_val" and found["run"] == str(trained)
    assert "tiny" in found["description"] and "trajectories" not in found
    best = found["best"][0]
    score = tnasp_jax.load(trained).predict([best["architecture"]])[0]
    assert best["score"] == pytest.approx(float(score), abs=1e-6)
    assert "regret" not in capsys.readouterr().out


# Mistakes.


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--budget=5"], "give one of --run, a finished run, --table, or --surrogate"),
        (["--table=digits", "--run=x", "--budget=5"], "give one of --run"),
        (["--table=digits"], "--budget is missing"),
        (["--table=nb401", "--budget=5"], "--table=nb401: "),
        (["--table=digits", "--budget=0"], "--budget=0: "),
        (["--table=digits", "--budget=5", "--method=best"], "--method=best: "),
        (["--table=digits", "--budget=5", "--pareto=size"], "no cost 'size'"),
        (["--table=digits", "--budget=5", "--pareto=params,params"], "stands twice"),
        (
            ["--table=digits", "--budget=5", "--pareto=latency"],
            "name where it is from by --latency",
        ),
        (
            ["--table=digits", "--budget=5", "--max_latency=5"],
            "name where it is from by --latency",
        ),
        (["--table=digits", "--budget=5", "--latency=ofa_note10"], "mobile blocks"),
        (["--table=digits", "--budget=5", "--max_params=-1"], "--max_params=-1"),
        (["--run=nowhere", "--budget=5"], "nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, workdir, capsys, flags, message):
    assert run(*flags) == 2
    said(capsys, message)
    assert not workdir.exists()


def test_limits_that_nothing_keeps(run, workdir, capsys, monkeypatch):
    monkeypatch.setattr("tnasp_jax.search.state.TRIES", 100)
    assert run("--table=digits", "--budget=5", "--max_params=1", "--quiet") == 2
    said(capsys, "nothing to search: .* limit too tight")
    assert not workdir.exists()


def test_a_search_is_not_replaced_unasked(run, workdir, capsys, commands):
    flags = ("--table=digits", "--budget=5", "--quiet")
    assert run(*flags) == 0
    before = (workdir / "search.json").read_bytes()
    capsys.readouterr()
    assert run(*flags) == 2
    said(capsys, "--overwrite replaces it")
    assert (workdir / "search.json").read_bytes() == before
    arguments = [*flags, f"--workdir={workdir / 'search.json'}"]
    assert commands.call(search.main, search.define, arguments) == 2
    said(capsys, "is a file; name a folder")
    arguments = ["--table=digits", "--budget=5"]
    assert commands.call(search.main, search.define, arguments) == 2
    said(capsys, "--workdir is missing")


# Parts.


def test_regret_by_hand():
    incumbents = [Incumbent(2, 0.5, 0.6), Incumbent(4, 0.6, 0.55)]
    found = search_report.regrets(incumbents, 0.9, 5)
    np.testing.assert_allclose(found, [np.nan, 0.3, 0.3, 0.35, 0.35])
    summary = search_report.trajectories([incumbents, incumbents[:1]], 0.9, 5)
    assert summary["regret"]["1"]["mean"] is None
    assert summary["regret"]["5"]["mean"] == pytest.approx(0.325)
    assert list(summary["regret"]) == ["1", "2", "5"]


def test_costs_that_nobody_told_are_unknown():
    cells = CustomSpace(inputs=("in",), inner=("a",), outputs=("out",), num_nodes=3)
    assert search_costs.costs_of(cells, None, None) == {}
    found = search_costs.numbers({}, cells)
    assert found == {"params": None, "flops": None, "latency": None}


def test_latencies_of_mobile_networks(data_dir):
    costs = search_costs.costs_of(PROXYLESSNAS, "proxyless_pixel", data_dir)
    (cell,) = PROXYLESSNAS.sample(jax.random.key(0), 1)
    found = search_costs.numbers(costs, cell)
    assert found["latency"] is not None and 20 < found["latency"] < 200
    (limit,) = search_costs.limits_of(costs, {"latency": found["latency"] + 1})
    assert limit(cell)


def test_latencies_of_measured_networks(data_dir):
    costs = search_costs.costs_of(NASBENCH201, "nb201_pixel3", data_dir)
    assert set(costs) == {"params", "flops", "latency"}
    first = search_costs.numbers(costs, NASBENCH201.from_index(0))
    assert first["latency"] == 3.6059  # The file's first row: 3.60585.
    with pytest.raises(UserError, match="networks of mnasnet; the space here is nas"):
        search_costs.costs_of(NASBENCH201, "accel_zcu102", data_dir)
    measured = search_costs.costs_of(MNASNET, "accel_zcu102", data_dir)["latency"]
    (random,) = MNASNET.sample(jax.random.key(0), 1)
    assert np.isnan(measured(random))  # One of 10^11 is hardly among 5,138.


def test_a_front_of_measured_latency(data_dir, run, workdir):
    flags = ["--table=nb201", "--latency=nb201_raspi4", f"--data_dir={data_dir}"]
    assert run(*flags, "--pareto=latency", "--max_latency=9", "--budget=60") == 0
    found = read(workdir)
    front = sorted(found["front"], key=lambda entry: entry["latency"])
    assert front and all(entry["latency"] <= 9 for entry in front)
    scores = [entry["score"] for entry in front]
    assert scores == sorted(scores)  # More time buys accuracy.


@pytest.mark.parametrize("table", ["accel", "darts214"])
def test_a_table_of_a_part_of_its_space(table, data_dir, run, workdir, capsys):
    flags = (f"--table={table}", f"--data_dir={data_dir}", "--quiet")
    assert run(*flags, "--method=evolution", "--budget=40", "--batch=10") == 0
    found = read(workdir)
    assert found["evaluated"] == 40 and "so are mutations" in found["candidates"]
    table = TableOracle(table, data_dir).table
    texts = {table.texts(row) for row in range(len(table))}
    assert {each["architecture"] for each in found["best"]} <= texts


def test_a_table_is_asked_to_its_end(data_dir, run, workdir):
    flags = ("--table=darts214", f"--data_dir={data_dir}", "--quiet", "--method=random")
    assert run(*flags, "--budget=300", "--batch=50") == 0
    assert 200 < read(workdir)["evaluated"] <= 214


def test_without_a_label_there_is_no_candidate(data_dir):
    """NAS-Bench-101, where few cells have a validation accuracy."""
    oracle = TableOracle("nb101", data_dir)
    assert oracle.candidates.startswith(
        "30,001 architectures with both labels, of 423,"
    )
    labelled = {oracle.table.texts(row) for row in oracle.rows.tolist()}
    oracle.rows = oracle.rows[:50]  # All would take a while to hash.
    space, table = oracle.table.space, oracle.table
    known = space.parse(table.texts(int(oracle.rows[7])))
    unknown = space.parse(table.texts(423_000))
    assert oracle.is_candidate(known) and not oracle.is_candidate(unknown)
    widened = space.mutate(jax.random.key(0), known)
    assert oracle.row(widened) != oracle.row(known)
    assert np.isnan(oracle.evaluate([unknown])[0])
    drawn = oracle.space.sample(jax.random.key(1), 40)
    assert len(set(drawn)) > 30 and all(space.format(c) in labelled for c in drawn)


def test_proposals_are_made_of_candidates():
    """Of NAS-Bench-201 those whose first edge is a convolution, and every tenth row."""
    space, keys = TABLE.space, jax.random.split(jax.random.key(0), 22)
    candidates = Candidates(TABLE, np.arange(0, 15625, 10), lambda cell: cell[0] == 3)
    drawn = candidates.sample(keys[20], 50)
    assert {ROWS[space.format(cell)] % 10 for cell in drawn} == {0}
    cell = space.parse(TABLE.texts(1))
    mutants = [candidates.mutate(each, cell) for each in keys[:20]]
    assert all(mutant[0] == 3 and mutant != cell for mutant in mutants)
    none = Candidates(TABLE, np.arange(1), lambda cell: False)
    assert none.mutate(keys[21], cell) != cell
    assert candidates.canonical_hash(cell) == space.canonical_hash(cell)


# Methods compared.


@pytest.fixture
def compare(commands, tmp_path):
    def run_compare(*flags):
        given = ["--tables=digits", "--methods=random,local", "--budget=20"]
        named = {flag.partition("=")[0]: flag for flag in (*given, *flags)}
        arguments = [f"--out={tmp_path / 'out'}", *named.values()]
        return commands.call(compare_search.main, compare_search.define, arguments)

    return run_compare


def test_the_comparison_writes_numbers_and_a_plot(compare, tmp_path, capsys):
    assert compare("--seeds=0,1,2") == 0
    path = tmp_path / "out" / "search_methods.json"
    column = json.loads(path.read_text())["tables"]["nb201digits"]
    left = TEST.max() - TEST[VALIDATION.argmax()]
    assert column["regret_of_best"] == pytest.approx(left, abs=1e-6)
    assert list(column["methods"]) == ["random", "local"]
    for method, numbers in column["methods"].items():
        assert len(numbers["regret"]["20"]["per_seed"]) == 3
        assert numbers["seconds_per_ask"] >= 0
        for seed, one in column["searches"][method].items():
            last = column["optimum"] - one["incumbents"][-1][2]
            regret = numbers["regret"]["20"]["per_seed"][int(seed)]
            assert regret == pytest.approx(last, abs=2e-6)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "regret of digits_test in % points" in capsys.readouterr().out
    assert compare("--seeds=0,1,2", "--quiet") == 0  # What is there, in brief.
    first, lowest, where = capsys.readouterr().out.splitlines()
    assert first.endswith("after 20 architectures, mean (sd) of 3 seeds")
    means = {
        method: numbers["regret"]["20"]["mean"]
        for method, numbers in column["methods"].items()
    }
    best = min(means, key=means.__getitem__)
    assert f"digits_test: {100 * means[best]:.3f} (" in lowest
    assert lowest.endswith(f"by {best}, lowest of 2") and where == str(path)


def test_a_surrogate_is_compared_against_the_highest_found(
    compare, tmp_path, data_dir, capsys
):
    table = "nb301yahpo_surrogate"
    assert compare(f"--tables={table}", f"--data_dir={data_dir}", "--seeds=0,1") == 0
    path = tmp_path / "out" / "search_surrogates.json"
    column = json.loads(path.read_text())["tables"][table]
    searches = [one for of in column["searches"].values() for one in of.values()]
    assert column["optimum"] == max(one["incumbents"][-1][1] for one in searches)
    regrets = [
        regret
        for numbers in column["methods"].values()
        for regret in numbers["regret"]["20"]["per_seed"]
    ]
    assert min(regrets) == 0 and max(regrets) > 0
    assert path.with_suffix(".png").exists()
    told = capsys.readouterr().out
    assert "surrogate, not measured" in told and "of all these searches" in told


def test_a_cut_comparison_goes_on(compare, tmp_path, capsys):
    path = tmp_path / "out" / "search_methods.json"
    assert compare("--seeds=0,1") == 0
    whole = json.loads(path.read_text())
    cut = json.loads(path.read_text())
    searches = cut["tables"]["nb201digits"]["searches"]
    del cut["tables"]["nb201digits"]["methods"], searches["local"]["1"]
    marked = searches["random"]["0"]["seconds_per_ask"] = 77.0
    path.write_text(json.dumps(cut))
    assert compare("--seeds=0,1") == 0
    found = json.loads(path.read_text())["tables"]["nb201digits"]
    again = found["searches"]
    assert again["random"]["0"]["seconds_per_ask"] == marked  # Not searched again.
    expected = whole["tables"]["nb201digits"]["searches"]["local"]["1"]["incumbents"]
    assert again["local"]["1"]["incumbents"] == expected
    assert compare("--seeds=0,1", "--methods=evolution") == 0  # Joins the others.
    joined = json.loads(path.read_text())
    assert joined["settings"]["methods"] == ["random", "local", "evolution"]
    column = joined["tables"]["nb201digits"]
    assert list(column["methods"]) == ["random", "local", "evolution"]
    assert column["searches"]["local"] == again["local"]
    capsys.readouterr()
    assert compare("--seeds=0,1", "--budget=21") == 2
    said(capsys, "made with other settings; --overwrite starts again")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tables=nb401"], "--tables: no 'nb401'; expected some of nb101"),
        (["--methods=random,random"], "expected distinct names"),
        (["--methods=luck"], "--methods: no 'luck'"),
        (["--methods=bays"], "did you mean bayes?"),
        (["--tables=nb21"], "did you mean nb201?"),
        (["--out="], "--out is missing"),
        (["--tables=digits,nb301yahpo_surrogate"], "compare them by a command each"),
    ],
)
def test_mistakes_of_a_comparison(commands, tmp_path, capsys, flags, message):
    given = {"--out": f"--out={tmp_path / 'out'}", "--budget": "--budget=5"}
    given |= {flag.partition("=")[0]: flag for flag in flags}
    arguments = [*given.values(), "--quiet"]
    assert commands.call(compare_search.main, compare_search.define, arguments) == 2
    said(capsys, message)
    assert not (tmp_path / "out").exists()


def test_a_surrogate_answers_and_is_called_one(run, workdir, data_dir, capsys):
    flags = ("--surrogate=ofa_proxyless_surrogate", f"--data_dir={data_dir}")
    assert run(*flags, "--budget=20", "--max_flops=4e8", "--seeds=0,1") == 0
    found = read(workdir)
    assert found["objective"] == "imagenet_top1_surrogate"
    assert found["description"].startswith("surrogate, not measured")
    assert "surrogate, not measured" in capsys.readouterr().out
    assert found["constraints"] == {"flops": 4e8}
    scores = [entry["score"] for entry in found["best"]]
    assert scores[0] == max(found["score"]["per_seed"]) and 0.6 < scores[-1] < 0.8
    assert all(entry["flops"] <= 4e8 for entry in found["best"])

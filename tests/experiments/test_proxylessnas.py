"""experiments.proxylessnas as a user runs it, its limits counted by hand."""

import json

import pytest

from experiments import proxylessnas

BUDGET, SEEDS = 60, 2
FLAGS = (
    f"--budget={BUDGET}",
    "--population=20",
    "--methods=elites,random",
    "--seeds=0,1",
    "--flops_limits=2e8,4e8",
)
WIDTHS = (40, 24, 32, 56, 104, 128, 248, 416, 1664)  # At the multiplier of 1.3.


@pytest.fixture
def run(commands, tmp_path, data_dir):
    """`run(*flags)`: the exit code of the command into tmp_path/out."""

    def command(*flags):
        where = (f"--workdir={tmp_path / 'out'}", f"--data_dir={data_dir}")
        arguments = {flag.partition("=")[0]: flag for flag in (*where, *FLAGS, *flags)}
        return commands.call(
            proxylessnas.main, proxylessnas.define, list(arguments.values())
        )

    return command


def multiply_adds(text: str) -> int:
    """Of the network that a text describes, one convolution after the other."""
    given = json.loads(text)
    assert given["w"] == 1.3
    stem, first, *stages, head = WIDTHS
    size = -(-given["r"] // 2)
    total = 9 * 3 * stem * size**2  # The stem.
    total += (9 * stem + stem * first) * size**2  # The fixed block.
    channels = first
    for place, (kernel, expansion) in enumerate(
        zip(given["ks"], given["e"], strict=True)
    ):
        stage, at = divmod(place, 4)
        if at >= given["d"][stage]:
            continue
        inner = expansion * channels
        total += channels * inner * size**2
        if at == 0 and stage in (0, 1, 2, 4):
            size = -(-size // 2)
        total += (kernel**2 * inner + inner * stages[stage]) * size**2
        channels = stages[stage]
    return total + channels * head * size**2 + head * 1000


def test_searches_under_limits(run, tmp_path, capsys):
    assert run() == 0
    out = tmp_path / "out"
    summary = json.loads((out / "table8.json").read_text())
    told = capsys.readouterr().out
    assert "surrogate, not measured" in told and str(out / "table8.json") in told
    assert [(row["limit"], row["method"]) for row in summary["rows"]] == [
        (2e8, "elites"),
        (2e8, "random"),
        (4e8, "elites"),
        (4e8, "random"),
    ]
    for row in summary["rows"]:
        folder = out / f"{row['method']}_{row['limit'] / 1e6:g}M"
        found = json.loads((folder / "search.json").read_text())
        assert found["evaluated"] == BUDGET * SEEDS
        assert found["best"][0] == row["best"]
        for entry in found["best"] + found["front"]:
            flops = multiply_adds(entry["architecture"])
            assert flops == pytest.approx(entry["flops"], rel=1e-6)
            assert flops <= row["limit"]
        scores = row["score"]["per_seed"]
        assert max(scores) == row["best"]["score"]
        assert row["score"]["mean"] == pytest.approx(sum(scores) / SEEDS)
    front = json.loads((out / "front_flops" / "search.json").read_text())["front"]
    flops = [entry["flops"] for entry in front]
    assert len(front) > 1 and flops == sorted(flops, reverse=True)
    assert (out / "front.png").stat().st_size > 10_000
    check_a_quiet_run_is_brief(run, summary, capsys)


def check_a_quiet_run_is_brief(run, summary, capsys):
    """Of the searches that are there."""
    assert run("--quiet") == 0
    first, score, highest, path = capsys.readouterr().out.splitlines()
    assert first.endswith("60 architectures evaluated with each of 2 seeds")
    assert score.startswith(
        "  score    imagenet_top1_surrogate: surrogate, not measured"
    )
    assert path.endswith("table8.json")
    best = [max(summary["rows"][at : at + 2], key=top_score) for at in (0, 2)]
    assert (
        highest
        == "  highest  "
        + ", ".join(
            f"{row['limit'] / 1e6:g} M {100 * top_score(row):.3f} by {row['method']}"
            for row in best
        )
        + ", %"
    )


def top_score(row):
    return row["best"]["score"]


def test_a_finished_search_is_not_run_again(run, tmp_path, capsys):
    assert run("--pareto=") == 0
    path = tmp_path / "out" / "elites_200M" / "search.json"
    before, told = path.stat().st_mtime_ns, capsys.readouterr().out
    assert run("--pareto=") == 0
    assert path.stat().st_mtime_ns == before
    assert capsys.readouterr().out == told
    assert run("--pareto=", "--budget=61") == 2
    said = capsys.readouterr().err
    assert "budget is 60 there, not 61; --overwrite" in said
    assert len(said.splitlines()) == 1
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--flops_limits=433M", "expected distinct numbers above 0"),
        ("--flops_limits=-1", "expected distinct numbers above 0"),
        ("--flops_limits=1e8,1e8", "expected distinct numbers above 0"),
        ("--flops_limits=10", "nothing to search"),
        ("--pareto=latency", "name where it is from by --latency"),
        ("--pareto=flops,flops", "a cost stands twice"),
        ("--surrogate=ofa", "--surrogate"),
        ("--run=nowhere", "nowhere"),
        (
            "--latency=proxyless_pixel",
            "has no latency of any of 64 random networks of ofa_proxyless",
        ),
        ("--methods=local", "expected some of sail, elites, evolution, random"),
        ("--methods=random,random", "a method stands twice"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(run, tmp_path, capsys, flag, message):
    pareto = () if "pareto" in flag else ("--pareto=",)
    assert run(*pareto, flag) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()

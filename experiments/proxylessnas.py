"""Table 8 and its fronts: mobile networks found under a limit, by a predictor or surrogate.

python -m experiments.proxylessnas --workdir=DIR [--surrogate=NAME | --run=DIR]

Under each of --flops_limits, the searches of --methods look for the highest score, with
--budget evaluations and every seed; the published networks TNASP-A, -B and -C have 433,
478 and 497 M multiply-adds. The population is a hundredth of the budget, at least 20, and
as many are asked at a time; a tournament of evolution draws a quarter of it. For each cost
of --pareto, NSGA-II looks for the front of score against it. --max_params and
--max_latency hold in all of them. Every search is a folder of DIR with a search.json and is
skipped when it is finished; table8.json and front.png tell of all. The score is what the
surrogate or predictor says, no training.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from experiments.cells import results
from experiments.reports.figures import save_plot
from experiments.searching.plot_fronts import points
from experiments.searching.search_costs import (
    COSTS,
    UNITS,
    Costs,
    check_known,
    costs_of,
)
from experiments.searching.search_oracles import Oracle, RunOracle, SurrogateOracle
from experiments.searching.search_run import Settings, as_dict, save, search_all
from experiments.shell import command, devices
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import runs
from tnasp_jax.benchmarks.latency import NAMES as LATENCIES
from tnasp_jax.benchmarks.ofa_surrogates import NAMES as SURROGATES

METHODS = ("sail", "elites", "evolution", "random")
LEAST, SHARE = 20, 100
"""A population is a hundredth of the budget, and at least so many."""
SHARED = ("seeds", "data_dir", "workdir", "overwrite", "quiet", "debug")


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, SHARED)
    flags.DEFINE_enum(
        "surrogate",
        "ofa_proxyless_surrogate",
        list(SURROGATES),
        "a published surrogate to maximise; its accuracies are predicted, not measured",
        flag_values=values,
    )
    flags.DEFINE_string(
        "run", None, "a finished run to maximise instead", flag_values=values
    )
    flags.DEFINE_list(
        "flops_limits",
        ["433e6", "478e6", "497e6"],
        "upper limits of multiply-adds, one search each",
        flag_values=values,
    )
    flags.DEFINE_list(
        "pareto",
        ["flops"],
        "costs, one front of score against each",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "latency", None, list(LATENCIES), "look-up table", flag_values=values
    )
    for name in ("params", "latency"):
        flags.DEFINE_float(
            f"max_{name}",
            None,
            f"upper limit of {name} in all searches, {UNITS[name]}",
            lower_bound=0,
            flag_values=values,
        )
    for name, default, text in (
        ("budget", 10_000, "architectures to evaluate with each seed"),
        ("population", None, "of a search; default: a hundredth of the budget"),
        ("batch", None, "architectures asked at a time; default: the population"),
    ):
        flags.DEFINE_integer(name, default, text, lower_bound=1, flag_values=values)
    flags.DEFINE_list(
        "methods",
        ["sail", "random"],
        f"searches under each limit, some of {', '.join(METHODS)}",
        flag_values=values,
    )


def main(values: flags.FlagValues) -> int:
    workdir, limits = _checked(values)
    devices.use_all_cores()
    folder = command.data_dir(values)
    oracle: Oracle = (
        RunOracle(values.run)
        if values.run
        else SurrogateOracle(values.surrogate, folder)
    )
    costs = costs_of(oracle.space, values.latency, folder)
    for name in values.pareto:
        check_known(costs, name, f"--pareto={','.join(values.pareto)}")
    searches = {
        name: _search(workdir / name, oracle, costs, settings, values)
        for name, settings in _plan(values, limits).items()
    }
    summary = summarise(oracle, searches)
    runs.write_json(workdir / "table8.json", summary)
    told = brief if values.quiet else report
    print("\n".join(told(summary)))
    print(workdir / "table8.json")
    fronts = {name: one for name, one in searches.items() if one["pareto"]}
    if fronts:
        front = workdir / "front.png"
        save_plot(front, lambda: draw(fronts, summary), values.quiet)
    return 0


def summarise(oracle: Oracle, searches: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What table8.json holds: the searches under a limit, and where fronts lie."""
    under = [one for one in searches.values() if not one["pareto"]]
    rows = []
    for one in under:
        limit = one["constraints"]["flops"]
        same = [each for each in under if each["constraints"]["flops"] == limit]
        highest = max(each["best"][0]["score"] for each in same)
        rows.append(
            {
                "limit": limit,
                "method": one["method"],
                "score": one["score"],
                "short_of_highest": results.number(highest - one["score"]["mean"]),
                "best": one["best"][0],
                "wall_seconds": one["wall_seconds"],
            }
        )
    first = next(iter(searches.values()))
    return {
        "space": oracle.space.name,
        "objective": oracle.target,
        "description": oracle.description,
        **oracle.source,
        "seeds": first["seeds"],
        "budget": first["budget"],
        "population": first["population"],
        "batch": first["batch"],
        "rows": rows,
        "fronts": [name for name, one in searches.items() if one["pareto"]],
        "versions": results.versions(),
        "argv": sys.argv[1:],
    }


def brief(summary: dict[str, Any]) -> list[str]:
    """What quiet searches end with, beside their file: three lines."""
    best: dict[float, dict[str, Any]] = {}
    for row in summary["rows"]:
        known = best.setdefault(row["limit"], row)
        if row["best"]["score"] > known["best"]["score"]:
            best[row["limit"]] = row
    found = [
        f"{limit / 1e6:g} M {100 * row['best']['score']:.3f} by {row['method']}"
        for limit, row in best.items()
    ]
    return [
        f"searches of {summary['space']} under a limit of multiply-adds: "
        f"{summary['budget']:,} architectures evaluated with each of "
        f"{len(summary['seeds'])} seeds",
        f"  score    {summary['objective']}: {summary['description']}",
        f"  highest  {', '.join(found)}, %",
    ]


def report(summary: dict[str, Any]) -> list[str]:
    """table8.json, for people."""
    lines = [
        f"highest score in {summary['space']} under a limit of multiply-adds",
        f"  score      {summary['objective']}: {summary['description']}",
        f"  evaluated  {summary['budget']:,} architectures with each of "
        f"{len(summary['seeds'])} seeds; mean (sd) of the seeds, %",
        "  below      how far the mean stays below the highest of all these searches",
        "",
        f"  {'limit, M':>9} {'search':<10}{'mean (sd)':>15}{'below':>8}{'highest':>9}"
        f"{'M FLOPs':>9}{'M params':>10}",
    ]
    for row in summary["rows"]:
        score, best = row["score"], row["best"]
        sd = "" if score["std"] is None else f" ({100 * score['std']:.3f})"
        shown = f"{100 * score['mean']:.3f}{sd}"
        lines.append(
            f"  {row['limit'] / 1e6:>9.0f} {row['method']:<10}{shown:>15}"
            f"{100 * row['short_of_highest']:>8.3f}{100 * best['score']:>9.3f}"
            f"{best['flops'] / 1e6:>9.1f}{best['params'] / 1e6:>10.2f}"
        )
    return [*lines, ""]


def draw(fronts: dict[str, dict[str, Any]], summary: dict[str, Any]):
    """The figure: a panel for each front, the best under each limit beside it."""
    from tnasp_jax import plotting

    panels = []
    for one in fronts.values():
        (cost,) = one["pareto"]
        unit = UNITS[cost] if cost == "latency" else f"M {UNITS[cost]}"
        curves = {"front by NSGA-II": points(one["front"], cost)}
        for method in dict.fromkeys(row["method"] for row in summary["rows"]):
            found = [row["best"] for row in summary["rows"] if row["method"] == method]
            if found:
                curves[f"{method} under a limit"] = points(found, cost)
        score = "" if panels else f"{summary['objective']}, %"
        panels.append(plotting.FrontPanel(f"{cost}, {unit}", score, curves))
    return plotting.fronts(
        panels,
        title=f"{summary['space']}, {summary['objective']}, "
        f"{len(summary['seeds'])} seeds x {summary['budget']:,} evaluations",
    )


def _plan(values: flags.FlagValues, limits: Sequence[float]) -> dict[str, Settings]:
    """Every search by the name of its folder."""
    others = {name: values[f"max_{name}"].value for name in COSTS if name != "flops"}
    population = values.population or max(LEAST, values.budget // SHARE)

    def settings(method: str, flops: float | None, pareto: tuple[str, ...]) -> Settings:
        return Settings(
            method=method,
            limits={"flops": flops, **others},
            pareto=pareto,
            seeds=tuple(values.seeds),
            budget=values.budget,
            batch=values.batch or population,
            population=population,
            latency=values.latency,
        )

    plan = {
        f"{method}_{limit / 1e6:g}M": settings(method, limit, ())
        for limit in limits
        for method in values.methods
    }
    fronts = {
        f"front_{name}": settings("nsga2", None, (name,)) for name in values.pareto
    }
    return {**plan, **fronts}


def _search(
    folder: Path,
    oracle: Oracle,
    costs: Costs,
    settings: Settings,
    values: flags.FlagValues,
) -> dict[str, Any]:
    """A finished search of the folder, or a new one."""
    path = folder / "search.json"
    if path.exists() and not values.overwrite:
        found = results.read_json(path)
        asked = {"space": oracle.space.name, **oracle.source, **as_dict(settings)}
        for name, value in asked.items():
            if found.get(name) != value:
                raise UserError(
                    f"{path}: {name} is {found.get(name)!r} there, not {value!r}; "
                    "--overwrite starts again, or name another folder"
                )
        return found
    total = settings.budget * len(settings.seeds)
    progress = Progress(total, folder.name, values.quiet)
    summary = search_all(oracle, costs, settings, progress)
    save(folder, summary)
    return summary


def _checked(values: flags.FlagValues) -> tuple[Path, list[float]]:
    """The folder to write and the limits."""
    if not values.workdir:
        raise UserError("--workdir is missing; name a folder for the searches")
    workdir = Path(values.workdir)
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"--workdir={workdir}: is a file; name a folder")
    given = ",".join(values.flops_limits)
    try:
        limits = [float(limit) for limit in values.flops_limits]
    except ValueError:
        limits = []
    if not limits or len(set(limits)) < len(limits) or not min(limits) > 0:
        raise UserError(
            f"--flops_limits={given}: expected distinct numbers above 0, such as 433e6"
        )
    methods = ",".join(values.methods)
    if not set(values.methods) <= set(METHODS) or not values.methods:
        raise UserError(f"--methods={methods}: expected some of {', '.join(METHODS)}")
    if len(set(values.methods)) < len(values.methods):
        raise UserError(f"--methods={methods}: a method stands twice")
    if len(set(values.pareto)) < len(values.pareto):
        raise UserError(f"--pareto={','.join(values.pareto)}: a cost stands twice")
    return workdir, limits


if __name__ == "__main__":
    command.run(main, define)

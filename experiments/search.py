"""Searches for the best architectures, by a trained predictor or on a table.

python -m experiments.search --run=DIR --budget=1000 --workdir=OUT
python -m experiments.search --table=digits --budget=100 --workdir=OUT
python -m experiments.search --surrogate=ofa_proxyless_surrogate --budget=1000 --workdir=OUT

With --run the search maximises the predictor's score of any architecture of its space.
With --table an architecture asked is answered with the table's training label, and the
best by that label is judged by its test label. With --surrogate a published network's
prediction is maximised, which is no measurement. --max_params, --max_flops and
--max_latency keep out what costs more; --pareto=params,flops looks for all trade-offs
between score and costs. OUT gets search.json: `space objective constraints evaluated`,
`best` and `front` as lists of `architecture score params flops latency`.
"""

from pathlib import Path

from absl import flags

from experiments.cells import table_names
from experiments.searching import search_report
from experiments.searching.search_costs import (
    COSTS,
    LATENCIES,
    check_known,
    costs_of,
)
from experiments.searching.search_oracles import (
    TABLES,
    Oracle,
    RunOracle,
    SurrogateOracle,
    TableOracle,
)
from experiments.searching.search_run import Settings, save, search_all
from experiments.shell import command, devices
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import search
from tnasp_jax.benchmarks import SURROGATES

SHARED = ("seeds", "data_dir", "workdir", "overwrite", "quiet", "debug")
_HELP = {
    "budget": (1, None, "architectures to evaluate with each seed; needed"),
    "batch": (1, 5, "architectures asked at a time"),
}


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, SHARED)
    values.set_default("seeds", "0")
    define_search(values)
    flags.DEFINE_string("run", None, "a finished run to maximise", flag_values=values)
    flags.DEFINE(
        table_names.one_of(TABLES),
        "table",
        None,
        "a table to search",
        values,
        flags.ArgumentSerializer(),
    )
    flags.DEFINE_enum(
        "surrogate",
        None,
        list(SURROGATES),
        "a published surrogate to maximise; its accuracies are predicted, not measured",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "method",
        None,
        list(search.METHODS),
        "how to search; default: evolution, or nsga2 with --pareto",
        flag_values=values,
    )
    for name in COSTS:
        flags.DEFINE_float(
            f"max_{name}",
            None,
            f"upper limit of {name}",
            lower_bound=0,
            flag_values=values,
        )
    flags.DEFINE_list(
        "pareto", [], "costs to trade for score: params,flops", flag_values=values
    )
    flags.DEFINE_enum(
        "latency",
        None,
        list(LATENCIES),
        "latencies: a look-up table of mobile blocks, or networks of a table, measured",
        flag_values=values,
    )


def define_search(values: flags.FlagValues) -> None:
    """--budget and --batch, which the comparison of methods shares."""
    for name, (least, default, text) in _HELP.items():
        flags.DEFINE_integer(name, default, text, lower_bound=least, flag_values=values)


def main(values: flags.FlagValues) -> int:
    workdir = _checked(values)
    devices.use_all_cores()
    folder = command.data_dir(values)
    oracle = _oracle(values, folder)
    costs = costs_of(oracle.space, values.latency, folder)
    for name in values.pareto:
        check_known(costs, name, f"--pareto={','.join(values.pareto)}")
    settings = Settings(
        method=values.method or ("nsga2" if values.pareto else "evolution"),
        limits={name: values[f"max_{name}"].value for name in COSTS},
        pareto=tuple(values.pareto),
        seeds=tuple(values.seeds),
        budget=values.budget,
        batch=values.batch,
        latency=values.latency,
    )
    progress = Progress(
        settings.budget * len(settings.seeds), settings.method, values.quiet
    )
    summary = search_all(oracle, costs, settings, progress)
    save(workdir, summary)
    told = search_report.brief if values.quiet else search_report.report
    print(told(summary), workdir / "search.json", sep="\n" if values.quiet else "\n\n")
    return 0


def _checked(values: flags.FlagValues) -> Path:
    """The folder to write; UserError for flags that do not go together."""
    if sum(map(bool, (values.run, values.table, values.surrogate))) != 1:
        raise UserError(
            "give one of --run, a finished run, --table, or --surrogate to search"
        )
    if values.budget is None:
        raise UserError("--budget is missing; say how many architectures to evaluate")
    if not values.workdir:
        raise UserError("--workdir is missing; name a folder for search.json")
    if len(set(values.pareto)) < len(values.pareto):
        raise UserError(f"--pareto={','.join(values.pareto)}: a cost stands twice")
    workdir = Path(values.workdir)
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"--workdir={workdir}: is a file; name a folder")
    if (workdir / "search.json").exists() and not values.overwrite:
        raise UserError(
            f"{workdir}: holds a search; --overwrite replaces it, or name another folder"
        )
    return workdir


def _oracle(values: flags.FlagValues, folder: Path | None) -> Oracle:
    if values.run:
        return RunOracle(values.run)
    if values.surrogate:
        return SurrogateOracle(values.surrogate, folder)
    return TableOracle(values.table, folder)


if __name__ == "__main__":
    command.run(main, define)

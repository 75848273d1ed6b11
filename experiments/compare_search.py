"""Search methods against each other, on NAS-Bench-101 and NAS-Bench-201 or a surrogate.

python -m experiments.compare_search --out=results/figures --budget=150
python -m experiments.compare_search --out=results/figures --budget=500 --batch=20
    --tables=nb301yahpo_surrogate --methods=random,evolution,local,bayes

Every method and seed asks `--budget` architectures and is answered with their training
label; regret is how far the best by that label stays below the highest test label. On
NAS-Bench-101 only cells whose validation accuracy is known are candidates, for every
method. A surrogate answers with its prediction, which also judges; nobody knows its
highest, and regret is against the highest that any of these searches found. OUT gets
search_methods.json and search_methods.png, of surrogates search_surrogates.json and .png.
The file is written after every search; the same command goes on where it was cut, and
further --methods join those of the file.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.cells import results, table_names
from experiments.reports.figures import TITLES, out_folder, save_plot
from experiments.search import define_search
from experiments.searching import search_report
from experiments.searching.search_oracles import (
    TABLES,
    Incumbent,
    SurrogateOracle,
    TableOracle,
)
from experiments.searching.search_run import run_search
from experiments.shell import command, devices
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from experiments.shell.strict_flags import near
from tnasp_jax import runs, search
from tnasp_jax.benchmarks import SURROGATES

METHODS = "random,evolution,local,bayes,bayes_thompson,bayes_ucb,npenas_np,npenas_bo"
SHARED = ("seeds", "data_dir", "overwrite", "quiet", "debug")
QUANTITIES = {
    "regret": "highest test label of the candidates minus that of the architecture that "
    "is best by the training label so far, a fraction",
    "regret_of_best": "of the candidate that is best by the training label: what is left "
    "where all are asked",
    "seconds_per_ask": "of one call of ask, for a batch; the median of a search's calls, "
    "most of which compile nothing",
}


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, SHARED)
    values.set_default("seeds", ",".join(map(str, range(20))))
    define_search(values)
    flags.DEFINE_list(
        "tables",
        ["nb101", "nb201"],
        "tables or surrogates to search",
        flag_values=values,
    )
    flags.DEFINE_list("methods", METHODS, "methods to compare", flag_values=values)
    flags.DEFINE_string("out", None, "folder of the two files", flag_values=values)


def main(values: flags.FlagValues) -> int:
    out = _checked(values)
    surrogates = values.tables[0] in SURROGATES
    path = out / f"search_{'surrogates' if surrogates else 'methods'}.json"
    settings = {
        "budget": values.budget,
        "batch": values.batch,
        "seeds": list(values.seeds),
        "tables": [table_names.full_name(name) for name in values.tables],
        "methods": list(values.methods),
    }
    found = _start(path, settings, values.overwrite)
    devices.use_all_cores()
    methods = found["settings"]["methods"]
    total = len(values.tables) * len(methods) * len(values.seeds)
    progress = Progress(total, "comparing methods", values.quiet, done=_done(found))
    for name in values.tables:
        table = table_names.full_name(name)
        oracle = (SurrogateOracle if surrogates else TableOracle)(
            table, command.data_dir(values)
        )
        column = found["tables"].setdefault(table, _about(table, oracle))
        if column["data_sha256"] != oracle.source["data_sha256"]:
            raise UserError(f"{path}: saw other data; --overwrite starts again")
        if isinstance(oracle, TableOracle):
            column["regret_of_best"] = results.number(oracle.regret_of_best())
        for method_name in methods:
            per_seed = column["searches"].setdefault(method_name, {})
            method = search.get_method(method_name, oracle.space, oracle.allowed)
            for seed in values.seeds:
                if str(seed) in per_seed:
                    continue
                per_seed[str(seed)] = _search(method, oracle, seed, values)
                out.mkdir(parents=True, exist_ok=True)
                runs.write_json(path, found)
                progress.update(_done(found), f"{table} {method_name}")
    for column in found["tables"].values():
        if surrogates:
            column["optimum"] = _highest(column)
        column["methods"] = _summaries(column, values.budget)
    runs.write_json(path, found)
    print("\n".join(brief(found) if values.quiet else report(found)))
    print(path)
    save_plot(path.with_suffix(".png"), lambda: draw(found), values.quiet)
    return 0


def draw(found: dict[str, Any]):
    """The figure of what search_methods.json holds."""
    from tnasp_jax import plotting

    budget = found["settings"]["budget"]
    panels = {}
    for column in found["tables"].values():
        title = (
            f"{TITLES[column['table']]}, {column['target']} asked,\n"
            f"{len(found['settings']['seeds'])} seeds, "
            + (
                f"{column['num_candidates']:,} candidates"
                if "num_candidates" in column
                else f"highest of all searches {100 * column['optimum']:.2f} %"
            )
        )
        panels[title] = {
            method: _band(_curves(column, method, budget))
            for method in column["searches"]
        }
    targets = {column["eval_target"] for column in found["tables"].values()}
    return plotting.bands(
        np.arange(1, budget + 1),
        panels,
        xlabel="architectures asked",
        ylabel=f"regret of {', '.join(sorted(targets))}, % points",
        linear_to=0.1,
    )


def _search(
    method, oracle: TableOracle | SurrogateOracle, seed: int, values
) -> dict[str, Any]:
    """One search as the file keeps it."""
    seconds: list[float] = []
    state = run_search(
        method._replace(ask=_timed(method.ask, seconds)),
        oracle,
        [],
        seed=seed,
        budget=values.budget,
        batch=values.batch,
    )
    return {
        "evaluated": len(state),
        "seconds_per_ask": round(float(np.median(seconds)), 4),
        "incumbents": [
            [each.queries, results.number(each.label), results.number(each.test)]
            for each in oracle.incumbents(state)
        ],
    }


def _timed(ask: Callable, seconds: list[float]) -> Callable:
    def timed(*arguments):
        began = time.monotonic()
        answer = ask(*arguments)
        seconds.append(time.monotonic() - began)
        return answer

    return timed


def _about(table: str, oracle: TableOracle | SurrogateOracle) -> dict[str, Any]:
    about = {
        **oracle.source,
        "table": table,
        "space": oracle.space.name,
        "target": oracle.target,
        "searches": {},
    }
    if isinstance(oracle, TableOracle):
        return about | {
            "num_candidates": len(oracle.rows),
            "optimum": results.number(oracle.optimum()),
            "optimum_of": "the candidates",
        }
    return about | {
        "eval_target": oracle.target,
        "targets": {oracle.target: oracle.description},
        "candidates": f"every architecture of {oracle.space.name}",
        "optimum_of": "all these searches; nobody knows the highest there is",
    }


def _highest(column: dict[str, Any]) -> float | None:
    """What the best of all searches found."""
    searches = [one for of in column["searches"].values() for one in of.values()]
    return results.number(
        max(one["incumbents"][-1][2] for one in searches if one["incumbents"])
    )


def _curves(column: dict[str, Any], method: str, budget: int) -> np.ndarray:
    """[S, budget] regrets."""
    return np.stack(
        [
            search_report.regrets(
                [Incumbent(*each) for each in one["incumbents"]],
                column["optimum"],
                budget,
            )
            for one in column["searches"][method].values()
        ]
    )


def _band(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and two standard errors [budget], in % points."""
    error = np.zeros(curves.shape[1])
    if len(curves) > 1:
        error = np.std(curves, axis=0, ddof=1) / np.sqrt(len(curves))
    return 100 * np.mean(curves, axis=0), 200 * error


def _summaries(column: dict[str, Any], budget: int) -> dict[str, Any]:
    found = {}
    for method, searches in column["searches"].items():
        curves = _curves(column, method, budget)
        seconds = [one["seconds_per_ask"] for one in searches.values()]
        found[method] = {
            "seconds_per_ask": results.number(np.median(seconds)),
            "regret": search_report.at_points(curves),
        }
    return found


def brief(found: dict[str, Any]) -> list[str]:
    """What a quiet comparison ends with, beside its file: a line and one a table."""
    budget = found["settings"]["budget"]
    lines = [
        f"search methods: regret in % points after {budget} architectures, mean (sd) of "
        f"{len(found['settings']['seeds'])} seeds"
    ]
    for column in found["tables"].values():
        regrets = {name: each["regret"] for name, each in column["methods"].items()}
        means = {name: each[str(budget)]["mean"] for name, each in regrets.items()}
        lowest = min(means, key=lambda name: (means[name] is None, means[name]))
        lines.append(
            f"  {TITLES[column['table']]}, {column['eval_target']}: "
            f"{_shown(regrets[lowest], budget)} by {lowest}, lowest of {len(means)}"
        )
    return lines


def report(found: dict[str, Any]) -> list[str]:
    """What the file holds, for people."""
    budget = found["settings"]["budget"]
    return [
        line for column in found["tables"].values() for line in _lines(column, budget)
    ]


def _lines(column: dict[str, Any], budget: int) -> list[str]:
    points = [p for p in (10, 20, 50, 100, 150, 500) if p < budget] + [budget]
    target = column["eval_target"]
    lines = [
        f"{TITLES[column['table']]}: regret of {target} in % points, mean (sd) of the seeds",
        f"  asked       {column['target']}: {column['targets'][column['target']]}",
        f"  judged by   {target}: {column['targets'][target]}",
        f"  candidates  {column['candidates']}",
        f"  highest     {100 * column['optimum']:.3f} %, of {column['optimum_of']}",
        *_left(column),
        f"  {'queries':<16}{''.join(f'{p:>16}' for p in points)}{'seconds an ask':>18}",
    ]
    for method, numbers in column["methods"].items():
        shown = "".join(f"{_shown(numbers['regret'], p):>16}" for p in points)
        lines.append(f"  {method:<16}{shown}{numbers['seconds_per_ask']:>18.3f}")
    return [*lines, ""]


def _left(column: dict[str, Any]) -> list[str]:
    if "regret_of_best" not in column:
        return []
    regret = 100 * column["regret_of_best"]
    return [
        f"  left        {regret:.3f}, if all were asked: the best by {column['target']}"
    ]


def _shown(regret: dict[str, Any], point: int) -> str:
    numbers = regret[str(point)]
    if numbers["mean"] is None:
        return "-"
    sd = "" if numbers["std"] is None else f" ({100 * numbers['std']:.3f})"
    return f"{100 * numbers['mean']:.3f}{sd}"


def _start(path: Path, settings: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    """What was found before with these settings, of any methods, or an empty record."""
    if path.exists() and not overwrite:
        found = results.read_json(path)
        before = found.get("settings", {})
        if before | {"methods": settings["methods"]} != settings:
            raise UserError(
                f"{path}: was made with other settings; --overwrite starts again"
            )
        methods = list(dict.fromkeys(before["methods"] + settings["methods"]))
        settings = settings | {"methods": methods}
        return found | {"settings": settings, "quantities": QUANTITIES}
    return {
        "settings": settings,
        "quantities": QUANTITIES,
        "incumbents": "queries, training label and test label since the lead was taken",
        "versions": results.versions(),
        "tables": {},
    }


def _done(found: dict[str, Any]) -> int:
    return sum(
        len(per_seed)
        for column in found["tables"].values()
        for per_seed in column["searches"].values()
    )


def _checked(values: flags.FlagValues) -> Path:
    out = out_folder(values)
    if values.budget is None:
        raise UserError("--budget is missing; say how many architectures to ask")
    tables = (*TABLES, *table_names.SHORT, *SURROGATES)
    for flag, known in (("tables", tables), ("methods", search.METHODS)):
        given: list[str] = values[flag].value or []
        strange = [name for name in given if name not in known]
        if strange:
            raise UserError(
                f"--{flag}: no {strange[0]!r}; expected some of {','.join(known)}"
                + near(strange[0], known)
            )
        if len(set(given)) < len(given) or not given:
            raise UserError(f"--{flag}={','.join(given)}: expected distinct names")
    if len({name in SURROGATES for name in values.tables}) > 1:
        raise UserError(
            f"--tables={','.join(values.tables)}: tables have a highest test label and "
            "surrogates have none; compare them by a command each"
        )
    return out


if __name__ == "__main__":
    command.run(main, define)

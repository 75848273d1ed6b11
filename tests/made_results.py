"""Made-up results and run folders, for the commands that read them."""

import json

import numpy as np


def result(name, table, predictor, n_train, tau, train, test, **changes):
    """A results.json of ten draws; changes replace its fields.

    Args:
      name: of the cell.
      table: of the cell.
      predictor: of the cell.
      n_train: of the cell.
      tau: of the first test label; every further one is higher by .01.
      train: the label learnt from.
      test: the labels ranked by.
    """
    value = {"per_seed": [tau] * 10, "mean": tau, "std": 0.0123}
    return {
        "name": name,
        "table": table,
        "predictor": predictor,
        "self_evolution": "off",
        "se_rounds": 0,
        "train_target": train,
        "eval_target": test[0],
        "targets": {target: f"what {target} is" for target in (train, *test)},
        "n_train": n_train,
        "n_test": 15_625,
        "seeds": list(range(10)),
        "kendall_tau": value,
        "kendall_tau_by_target": {
            target: value | {"mean": tau + at / 100} for at, target in enumerate(test)
        },
        "kendall_tau_heldout": value | {"mean": tau - 0.05},
        "ceiling_by_target": dict.fromkeys(test, 0.89412),
        "train_steps": 30 * n_train,
        "wall_seconds": 1234.56,
        "device": "cpu x2",
    } | changes


def run_folder(home, digits, predictor, n_train, arrays, **changes):
    """The folder of a run on the table `digits`, with `arrays` in its predictions.npz."""
    folder = home / f"nb201digits_{predictor}_{n_train}"
    folder.mkdir(parents=True)
    targets = ("digits_val", "digits_test")
    summary = {
        "name": folder.name,
        "table": "nb201digits",
        "space": "nasbench201",
        "predictor": predictor,
        "self_evolution": "off",
        "n_train": n_train,
        "n_test": arrays["scores"].shape[1],
        "seeds": list(range(len(arrays["scores"]))),
        "train_target": targets[0],
        "eval_target": targets[1],
        "targets": {name: digits.describe[name] for name in targets},
        "data_sha256": digits.sha256,
    }
    (folder / "results.json").write_text(json.dumps(summary | changes))
    np.savez(folder / "predictions.npz", **arrays)
    return folder

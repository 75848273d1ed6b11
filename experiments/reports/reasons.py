"""Why our rows differ from the published ones: what is known or was measured.

A reason covers a predictor's rows on one benchmark, with and without self-evolution.
To add one, add a line; `tests/experiments/test_tables.py` asks for it where a result
differs from its published number by more than two of its standard deviations.
"""

_UNITS_201 = (
    "labels in normal ranks are worth 0.03 on validation cells at 156 labels "
    "(results/choices/nb201_156_units.json)"
)
_RANKS = "ours learns labels in normal ranks"
_NO_CODE = "the code of the published network was never released"
_EDGES = "Operations are nodes here, edges are tokens in the code of PINAT, by the same authors"
_PORTS = (
    "Public ports of this network never set their gradients to zero, and that the "
    "published row comes from such code is likely, not known; on validation cells of "
    "NAS-Bench-101 at 172 labels, ranks in place of z-scores are worth 0.06 and a rate of "
    "3e-4 in place of 1e-4 0.03 (results/choices/nb101_172_neural_predictor.json)."
)
_NAO = (
    f"Not known; {_RANKS}, the score is linear at its end, and dead slots are tokens of "
    "their own (docs/nao.md)."
)
_HUNDRED = (
    "The published number is of one set of 100 test cells, ours of others, one a draw, "
    "and the sd of ours says how much they matter."
)

REASONS: dict[tuple[str, str], str] = {
    ("tnasp", "nb101"): (
        f"Not known: {_NO_CODE}. At 172 labels z-scores in place of ranks, attention that "
        "sees padding and three times the step are no clear difference, and less weight "
        "decay is worse, on validation cells of ten other draws "
        "(results/choices/nb101_172_units.json)."
    ),
    ("tnasp", "nb201"): (
        f"{_EDGES}, which is worth about 0.02 at 78 labels (the row tnasp_edges); {_UNITS_201}; "
        f"the rest is not known, as {_NO_CODE}."
    ),
    ("tnasp_edges", "nb201"): (
        f"With operations as nodes, {_UNITS_201}; the rest is not known, as {_NO_CODE}."
    ),
    ("tnasp_nopos", "nb101"): (
        f"Not known: {_NO_CODE}. Without the position term it sees which operations a cell "
        "has, and nothing else; attention does not see padding here."
    ),
    ("neural_predictor", "nb101"): _PORTS,
    ("neural_predictor", "nb201"): _PORTS,
    ("nao", "nb101"): _NAO,
    ("nao", "nb201"): _NAO,
    ("renas", "nb101"): (
        "Not known; the published code learns the test accuracy that judges it, while here "
        "the validation accuracy of one training is learnt; three times the epochs change "
        "nothing on validation cells at 424 labels (results/choices/nb101_424_renas.json, "
        "docs/renas.md)."
    ),
    ("ctnas", "nb101"): (
        f"{_HUNDRED} Beyond that not known; dropout and epochs are ours, and the paper "
        "labels further cells as it searches (docs/ctnas.md)."
    ),
    ("regression_nas", "nb101"): (
        f"{_HUNDRED} Beyond that not known: CTNAS, which reports it, does not describe "
        f"the regressor, and {_RANKS} (docs/regression_nas.md)."
    ),
    ("pinat", "nb101"): (
        "Not known; the published form of its invariant module was not at hand, padding "
        f"takes part in nothing here, and {_RANKS} (docs/pinat.md)."
    ),
    ("pinat_rank", "nb101"): (
        "Not known; the published form of its invariant module was not at hand, and "
        "padding takes part in nothing here (docs/pinat.md)."
    ),
    ("pinat", "nb201"): (
        f"{_EDGES}; the published form of its invariant module was not at hand, and "
        f"{_RANKS}; what each is worth is not known (docs/pinat.md)."
    ),
    ("pinat_rank", "nb201"): (
        f"{_EDGES}; the published form of its invariant module was not at hand, and which "
        "loss the published row has is not known (docs/pinat.md)."
    ),
}
UNKNOWN = "No reason is written down in experiments/reports/reasons.py."


def reason(predictor: str, table: str) -> str:
    """Why a predictor's rows on a benchmark differ from the published ones."""
    return REASONS.get((predictor, table), UNKNOWN)

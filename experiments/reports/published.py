"""The published Kendall tau of Tables 1 and 2, each row with its source.

All train on validation accuracy and are ranked by test accuracy, as each paper has it;
one number each, no deviation. To add a method, add a row.
"""

from experiments.cells.columns import Column, Published, Row

NB101_COLUMNS = (
    Column("nb101", 100),
    Column("nb101", 172),
    Column("nb101", 424, 100),
    Column("nb101", 424),
    Column("nb101", 4236),
)
NB201_COLUMNS = tuple(Column("nb201", n) for n in (78, 156, 469, 781, 1563))
DIGITS_COLUMNS = tuple(Column("nb201digits", n) for n in (78, 156, 469, 781, 1563))

_TNASP = "Lu et al., NeurIPS 2021"
_CTNAS = "Chen et al., CVPR 2021"
_BY_TNASP = "as reported by TNASP"
_BY_CTNAS = "as reported by CTNAS"
_NEURAL_PREDICTOR = f"Wen et al., ECCV 2020, {_BY_TNASP}"
_NAO = f"Luo et al., NeurIPS 2018, {_BY_TNASP}"
_PINAT = "Lu et al., AAAI 2023"
_NAR_FORMER = "CVPR 2023; quoted from memory, not checked again"
_HYPER_NAS = "CVPR 2026; quoted at second hand"


def _nb101(method: str, source: str, *values: float | None, **more) -> Row:
    return _row(NB101_COLUMNS, method, source, values, **more)


def _nb201(method: str, source: str, *values: float | None, **more) -> Row:
    return _row(NB201_COLUMNS, method, source, values, **more)


def _row(columns, method, source, values, **more) -> Row:
    pairs = zip(columns, values, strict=True)
    known = {column: value for column, value in pairs if value is not None}
    return Row(method, source, known, **more)


NB101 = Published(
    table="nb101",
    title="Table 1: Kendall tau-b on NAS-Bench-101",
    train_target="val_acc",
    columns=NB101_COLUMNS,
    rows=(
        _nb101(
            "SPOS",
            f"Guo et al., ECCV 2020, {_BY_CTNAS}",
            *(None, None, 0.196, None, None),
        ),
        _nb101(
            "FairNAS",
            f"Chu et al., ICCV 2021, {_BY_CTNAS}",
            *(None, None, -0.232, None, None),
        ),
        _nb101(
            "RegressionNAS",
            f"{_CTNAS}, {_BY_CTNAS}",
            *(None, None, 0.430, None, None),
            ours=("regression_nas",),
        ),
        _nb101(
            "ReNAS",
            "Xu et al., CVPR 2021",
            *(None, None, 0.634, 0.657, 0.816),
            ours=("renas",),
        ),
        _nb101("CTNAS", _CTNAS, None, None, 0.751, None, None, ours=("ctnas",)),
        _nb101(
            "Neural Predictor",
            _NEURAL_PREDICTOR,
            *(0.391, 0.545, 0.710, 0.679, 0.769),
            ours=("neural_predictor",),
        ),
        _nb101("NAO", _NAO, 0.501, 0.566, 0.704, 0.666, 0.775, ours=("nao",)),
        _nb101(
            "TNASP without position term",
            _TNASP,
            *(0.386, 0.419, 0.456, 0.426, 0.458),
            ours=("tnasp_nopos",),
        ),
        _nb101("TNASP", _TNASP, 0.600, 0.669, 0.752, 0.705, 0.820, ours=("tnasp",)),
        _nb101("GMAE-NAS", "IJCAI 2022", 0.666, 0.697, 0.788, 0.732, 0.775),
        _nb101(
            "PINAT, MSE",
            _PINAT,
            *(0.679, 0.715, 0.801, 0.772, 0.846),
            ours=("pinat",),
        ),
        _nb101(
            "PINAT, pairwise BCE",
            _PINAT,
            *(0.717, 0.764, 0.820, 0.812, 0.854),
            ours=("pinat_rank",),
        ),
        _nb101("NAR-Former", _NAR_FORMER, 0.632, 0.653, 0.801, 0.765, 0.871),
        _nb101(
            "NN-Former",
            "CVPR 2025; 1,024 more labels choose its checkpoint",
            *(0.709, 0.765, None, 0.809, 0.877),
        ),
        _nb101(
            "Neural Predictor + SE",
            _NEURAL_PREDICTOR,
            *(0.458, 0.577, 0.713, 0.684, 0.773),
            ours=("neural_predictor",),
            evolution=True,
        ),
        _nb101(
            "NAO + SE",
            _NAO,
            *(0.564, 0.624, 0.732, 0.680, 0.787),
            ours=("nao",),
            evolution=True,
        ),
        _nb101(
            "TNASP + SE",
            _TNASP,
            *(0.613, 0.671, 0.754, 0.722, 0.820),
            ours=("tnasp",),
            evolution=True,
        ),
    ),
    words={},
)

NB201 = Published(
    table="nb201",
    title="Table 2: Kendall tau-b on NAS-Bench-201, CIFAR-10",
    train_target="c10v_val",
    columns=NB201_COLUMNS,
    rows=(
        _nb201(
            "Neural Predictor",
            _NEURAL_PREDICTOR,
            *(0.343, 0.413, 0.584, 0.634, 0.646),
            ours=("neural_predictor",),
        ),
        _nb201("NAO", _NAO, 0.467, 0.493, 0.470, 0.522, 0.526, ours=("nao",)),
        _nb201(
            "TNASP",
            _TNASP,
            *(0.539, 0.589, 0.640, 0.689, 0.724),
            ours=("tnasp_edges", "tnasp"),
        ),
        _nb201(
            "PINAT",
            _PINAT,
            *(0.549, 0.631, 0.706, 0.761, 0.784),
            ours=("pinat", "pinat_rank"),
        ),
        _nb201("NAR-Former", _NAR_FORMER, None, 0.660, 0.790, 0.849, 0.901),
        _nb201(
            "NN-Former",
            "CVPR 2025; quoted from memory, not checked again",
            *(None, 0.804, 0.860, 0.879, 0.890),
        ),
        _nb201("HyperNAS", _HYPER_NAS, 0.677, 0.765, 0.836, None, None),
        _nb201(
            "Neural Predictor + SE",
            _NEURAL_PREDICTOR,
            *(0.377, 0.433, 0.602, 0.652, 0.649),
            ours=("neural_predictor",),
            evolution=True,
        ),
        _nb201(
            "NAO + SE",
            _NAO,
            *(0.511, 0.511, 0.514, 0.529, 0.528),
            ours=("nao",),
            evolution=True,
        ),
        _nb201(
            "TNASP + SE",
            _TNASP,
            *(0.565, 0.594, 0.642, 0.690, 0.726),
            ours=("tnasp_edges", "tnasp"),
            evolution=True,
        ),
    ),
    words={"tnasp": "operations as nodes", "tnasp_edges": "edges as tokens"},
)

DIGITS = Published(
    table="nb201digits",
    title="Kendall tau-b on the cells of NAS-Bench-201 trained on digits (ours alone)",
    train_target="digits_val",
    columns=DIGITS_COLUMNS,
    rows=(),
    words=NB201.words,
)

TABLES = (NB101, NB201, DIGITS)

HIGHEST = (
    "the highest published numbers: those on NAS-Bench-201 are quoted from memory or at "
    "second hand; 0.877 chose its checkpoint by 1,024 further labels"
)
"""What to know of the rows above where only the highest of each column is shown."""

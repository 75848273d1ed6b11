r"""Table 1: a predictor on NAS-Bench-101.

python -m experiments.nb101 --flagfile=experiments/flagfiles/nb101_tnasp.flags \
    --n_train=424 --workdir=runs/nb101_tnasp_424
"""

from experiments.cells import table_command
from experiments.shell import command


def main(values) -> int:
    return table_command.main(values, module="nb101")


if __name__ == "__main__":
    command.run(main, command.define_shared)

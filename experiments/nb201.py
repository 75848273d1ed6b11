r"""Table 2: a predictor on NAS-Bench-201, official or (--table=digits) embedded.

python -m experiments.nb201 --flagfile=experiments/flagfiles/nb201_tnasp.flags \
    --n_train=78 --workdir=runs/nb201_tnasp_78
"""

from experiments.cells import table_command
from experiments.shell import command


def main(values) -> int:
    return table_command.main(values, module="nb201")


if __name__ == "__main__":
    command.run(main, command.define_shared)

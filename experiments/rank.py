r"""Other spaces: a predictor on a table of DARTS or MnasNet networks.

python -m experiments.rank --table=darts545 --n_train=54 \
    --flagfile=experiments/flagfiles/darts_gp.flags --workdir=runs/darts545_gp_54

Tables: darts545, darts214 and nb301 (measured), nb301xgb and nb301yahpo (surrogates),
with darts_PREDICTOR.flags; accel (measured), with mnasnet_PREDICTOR.flags.
"""

from experiments.cells import ranked, table_command
from experiments.shell import command


def main(values) -> int:
    return table_command.main(values, module="rank")


if __name__ == "__main__":
    command.run(main, ranked.define)

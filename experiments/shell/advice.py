"""What the library cannot say of a mistake: the flags and commands that mend it."""

from absl import flags


def advised(error: ValueError, values: flags.FlagValues) -> str:
    """The message of a mistake, with the flags or the command that lead on.

    Args:
      error: what was raised.
      values: the command's flags.
    """
    # Not at the top: it brings JAX, which some commands first set up.
    from tnasp_jax.benchmarks import MissingData
    from tnasp_jax.runs import UnfinishedRun
    from tnasp_jax.spaces.custom import NoRoom

    if isinstance(error, MissingData):
        return "; ".join([str(error), *_of_data(error, values)])
    if isinstance(error, UnfinishedRun):
        return f"{error}; repeat its command with --resume"
    if isinstance(error.__cause__, NoRoom):
        nodes = error.__cause__.num_nodes
        flag = f"num_nodes={nodes}" if nodes else "ops=NAMES"
        stop = "" if str(error).endswith("?") else ";"
        return f"{error}{stop} a run of experiments.custom with --{flag} has room for such graphs"
    return str(error)


def _of_data(error, values: flags.FlagValues) -> list[str]:
    """How to bring a file that is missing, or to do without it."""
    found = []
    if error.official:
        found.append(
            f"`python -m experiments.convert --space={error.official} OFFICIAL_FILE "
            f"--out={error.path}` makes it"
        )
    if "data_dir" in values:
        found.append("--data_dir or TNASP_DATA names the folder of the data")
    if error.official:
        found.append("`python -m experiments.nb201 --table=digits` needs no data")
    return found

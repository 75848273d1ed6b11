"""The page that `--help` prints: the flags of a command by topic, a line each."""

import textwrap
from collections.abc import Iterator

from absl import flags

WIDTH = 100
OTHER = "Other"
TOPICS: dict[str, tuple[str, ...]] = {
    "Data": (
        *("space", "csv", "jsonl", "train_label", "test_label", "percent"),
        *("ops", "num_nodes", "identity_ops", "op_costs"),
        *("run", "table", "tables", "surrogate", "results", "runs", "data_dir"),
        *("train_target", "eval_target", "n_train", "n_val", "n_test", "rows"),
        *("folds", "seed", "seeds", "learning_curve"),
    ),
    "Predictor and training": (
        *("predictor", "recipes", "units", "epochs", "batch_size", "learning_rate"),
        *("weight_decay", "schedule", "first_moment", "clip"),
    ),
    "Self-evolution": (
        *("self_evolution", "se_rounds", "se_steps", "se_alpha", "se_proxy_rate"),
        *("se_multiplier_rate", "from_run"),
    ),
    "Search": (
        *("method", "methods", "budget", "batch", "population", "generations"),
        *("max_params", "max_flops", "max_latency", "flops_limits", "latency"),
        "pareto",
    ),
    "Supernet": (
        *("sampling", "steps", "supernet_steps", "supernet_batch_size"),
        *("supernet_learning_rate", "supernet_channels", "supernet_layers"),
        *("image_size", "search_images", "val_images", "calibration_images"),
        *("val_batches", "n_archs"),
    ),
    "Networks trained alone": (
        *("retrained", "retrained_random", "retrain_seeds", "retrain_images"),
        *("retrain_epochs", "retrain_batch_size", "retrain_learning_rate"),
        *("retrain_weight_decay", "retrain_clip", "channels", "layers", "cutout"),
        *("auxiliary_weight", "drop_path", "stem", "head", "widths", "strides"),
        "depths",
    ),
    "Output and run": (
        *("out", "workdir", "resume", "overwrite", "keep", "format", "short"),
        *("platforms", "std", "workers", "quiet", "debug", "flagfile", "help"),
    ),
}
"""Every flag stands once: a name means the same in all commands."""


def page(about: str, values: flags.FlagValues, words: str = "") -> str:
    """What a command does, and its flags with their defaults.

    Args:
      about: what it does.
      values: its flags, before any is given.
      words: what it takes beside flags.
    """
    heads = {
        name: _head(values[name]) for _, names in by_topic(values) for name in names
    }
    width = max(map(len, heads.values())) + 4
    lines = [about, ""] + [f"Beside flags: {words}", ""] * bool(words)
    for topic, names in by_topic(values):
        lines.append(f"{topic}:")
        for name in names:
            lines += textwrap.wrap(
                _text(values[name]),
                WIDTH,
                initial_indent=f"  {heads[name]}".ljust(width),
                subsequent_indent=" " * width,
                break_on_hyphens=False,
            )
        lines.append("")
    return "\n".join(lines[:-1])


def by_topic(values: flags.FlagValues) -> Iterator[tuple[str, list[str]]]:
    """The topics that a command has flags of, and these flags; not those that have
    nothing to say."""
    known = {name for names in TOPICS.values() for name in names}
    others = tuple(name for name in values if name not in known)
    for topic, names in {**TOPICS, OTHER: others}.items():
        if found := [each for each in names if each in values and values[each].help]:
            yield topic, found


def _head(flag: flags.Flag) -> str:
    """`--name=default`, as it is typed."""
    if flag.boolean:
        return f"--{'no' if flag.value else ''}{flag.name}"
    if isinstance(flag.value, list | tuple) and len(flag.value) > 4:
        first, second, *_, last = flag.value
        return f"--{flag.name}={first},{second},...,{last}"
    return flag.serialize() or f"--{flag.name}="


def _text(flag: flags.Flag) -> str:
    """What a flag means, and the names that it takes unless that says them."""
    names = getattr(flag.parser, "enum_values", None) or []
    text = flag.help.removeprefix(f"<{'|'.join(names)}>: ")  # absl's own form.
    if all(name in text for name in names):
        return text
    return f"{text}; one of {', '.join(names)}"

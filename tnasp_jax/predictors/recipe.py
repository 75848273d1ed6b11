"""How a predictor is trained by gradient steps."""

import dataclasses
from collections.abc import Callable

import jax

from tnasp_jax import losses

Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitConfig:
    """A training recipe; the defaults are the published one of TNASP.

    Attributes:
      epochs: passes over the training cells.
      batch_size: B; the last minibatch of an epoch holds what is left.
      learning_rate: of Adam.
      weight_decay: added to the gradient (L2 inside Adam, not decoupled).
      loss: of (scores [B], labels [B], weights [B]); a predictor with an objective of
        its own learns by that.
      cosine: whether the rate falls to 0 by a cosine over the epochs, or stays.
      first_moment: Adam's decay of the mean gradient.
      clip: largest norm of a gradient, None for any.

    Raises:
      ValueError: for less than one epoch or cell.
    """

    epochs: int = 300
    batch_size: int = 10
    learning_rate: float = 1e-4
    weight_decay: float = 1e-3
    loss: Loss = losses.mse
    cosine: bool = True
    first_moment: float = 0.9
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                "FitConfig: expected epochs >= 1 and batch_size >= 1, "
                f"got {self.epochs} and {self.batch_size}"
            )

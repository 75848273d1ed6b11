"""One of several branches, forwards and backwards."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax


def chosen(
    branches: Sequence[Callable[..., Any]],
    index: jax.Array,
    *arguments: Any,
) -> jax.Array:
    """`branches[index](*arguments)`; only that branch runs, unless under `vmap`.

    The derivative of `lax.switch` stores what every branch would need. Here the
    arguments alone are kept, and the backward pass runs the chosen branch once more.

    Args:
      branches: functions of the arguments, with results of one shape.
      index: [] int, which one; numbers outside are cut to the range.
      *arguments: pytrees of arrays, differentiable.
    """

    @jax.custom_vjp
    def run(index, *arguments):
        return lax.switch(index, branches, *arguments)

    def forward(index, *arguments):
        return run(index, *arguments), (index, arguments)

    def backward(residuals, grad):
        index, arguments = residuals

        def through(branch):
            return lambda *arguments: jax.vjp(branch, *arguments)[1](grad)

        return None, *lax.switch(index, [through(b) for b in branches], *arguments)

    run.defvjp(forward, backward)
    return run(index, *arguments)

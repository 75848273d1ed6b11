"""Colours of operations: tints of Okabe and Ito's, on which black text is read.

A colour only repeats what the text says.
"""

ENDS = "#E8E8E8"
"""Inputs, outputs and the nodes between operations on edges."""

_FAMILIES = (
    (("none", "zero"), "#F5F5F5"),
    (("skip", "ident"), "#FFFFFF"),
    (("pool",), "#F9DFA6"),
    (("dil",), "#EBC9DC"),
    (("sep", "dw"), "#BFE3D6"),
    (("1x1",), "#D3EBF9"),
    (("conv",), "#A9CCE6"),
)
_OTHERS = ("#D3EBF9", "#F9DFA6", "#BFE3D6", "#EBC9DC", "#F3C6A8", "#F7F3B5")

EXPANSIONS = {1: "#F7FBFF", 3: "#D3EBF9", 4: "#9CCBEB", 6: "#5FA8D8"}
"""By expansion of an inverted bottleneck; darker is wider."""


def of_operation(name: str, known: tuple[str, ...] = ()) -> str:
    """The tint of an operation: that of its family, or by its place among `known`."""
    lower = name.lower()
    for words, tint in _FAMILIES:
        if any(word in lower for word in words):
            return tint
    at = known.index(name) if name in known else 0
    return _OTHERS[at % len(_OTHERS)]

"""Names of classes, functions and parameters in code that is going to be written."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Sequence

__all__ = ["GO_OUT", "Names", "parameter_names", "words"]

_FIXED = {
    "F", "Path", "Tensor", "WEIGHTS", "functional", "load", "load_file", "math", "nn", "self", "torch",
}  # fmt: skip
_LONGEST = 50
_CHANNELS = ("channels", "in_channels", "num_channels", "num_features")
_FEATURES = ("features", "in_features", "input_size", "normalized_shape")
_COME_IN = {**dict.fromkeys(_CHANNELS, "channels"), **dict.fromkeys(_FEATURES, "features")}
GO_OUT = {"out_channels", "out_features", "hidden_size", "width"}
_PLAIN = {"p": "dropout", "num_layers": "layers", "0": "size"}


class Names:
    """The names of classes and functions that are taken."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*_FIXED, *dir(builtins), *keyword.kwlist, *taken}

    def of_class(self, wanted: str) -> str:
        """Return a name in capitals that is free, and take it."""
        name = "".join(word[:1].upper() + word[1:] for word in words(wanted))[:_LONGEST]
        return self._free(name or "Network", "")

    def of_function(self, wanted: str) -> str:
        """Return a name in lower case that is free, and take it."""
        return self._free("_".join(word.lower() for word in words(wanted)) or "block", "_")

    def of_constant(self, wanted: str) -> str:
        """Return a name in capitals, with underscores, that is free, and take it."""
        return self._free(wanted, "_")

    def _free(self, name: str, between: str) -> str:
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}{between}{number}"
        self._taken.add(found)
        return found


def words(text: str) -> list[str]:
    """Return the words of a name of which identifiers are made."""
    found = re.findall(r"[A-Za-z0-9]+", text)
    if found and found[0][0].isdigit():
        found.insert(0, "network")
    return found


def parameter_names(groups: Sequence[Sequence[tuple[int, str]]], last: int) -> list[str]:
    """Return names for parameters, each by the arguments that it is given as.

    Args:
        groups: For each parameter where it is given: the place among all numbers, and the argument's name.
        last: The place of what the last layer returns.
    """
    found: list[str] = []
    for place, uses in enumerate(groups):
        given = [name for _, name in uses]
        into = next((_COME_IN[name] for name in given if name in _COME_IN), None)
        out = any(name in GO_OUT for name in given)
        if out and not (place == 0 and given[0] in _COME_IN):
            name = "width" if any(at == last for at, _ in uses) else "hidden"
        else:
            name = into or _PLAIN.get(given[0], given[0] or "size")
        number, free = 1, name
        while free in found or keyword.iskeyword(free):
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found

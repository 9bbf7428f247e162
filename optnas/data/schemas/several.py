"""Several inputs, each of its own kind, by name or in a tuple."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import nn

from optnas.data.normalize import Each
from optnas.data.schemas.schema import Record, Schema, UnfitSample, schema_of, schema_record
from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.space.shapes import Shapes

__all__ = ["Several"]

_MOST_INPUTS = 1000


@dataclasses.dataclass(frozen=True)
class Several(Schema):
    """Several inputs, each of its own kind, in a dictionary by name or in a tuple.

    Attributes:
        inputs: Their schemas, by name; by place if they are a tuple.
        named: Whether they are a dictionary.
    """

    kind = "several"

    inputs: Mapping[str, Schema]
    named: bool = True

    @property
    def shape(self) -> Shapes:
        return Shapes({name: each.shape for name, each in self.inputs.items()})

    def record(self) -> dict[str, Any]:
        each = {name: schema_record(schema) for name, schema in self.inputs.items()}
        return {"inputs": each if self.named else list(each.values())}

    @classmethod
    def of(cls, record: Record) -> Self:
        inputs = record["inputs"]
        named = isinstance(inputs, Mapping)
        each = inputs if named else dict(enumerate(inputs))
        if not 0 < len(each) <= _MOST_INPUTS:
            raise ValueError(f"{len(each):,} inputs are none, or too many")
        found = cls({str(name): schema_of(schema) for name, schema in each.items()}, named)
        if sum(len(s.inputs) if isinstance(s, Several) else 1 for s in found.inputs.values()) > _MOST_INPUTS:
            raise ValueError("these inputs are too many")
        return found

    def samples(self, given: Any) -> dict[str, Any]:
        """Return each input by name, each as many.

        Raises:
            UserError: If one is missing or too many, or their numbers differ.
        """
        if self.named:
            if not isinstance(given, Mapping) or set(given) != set(self.inputs):
                raise UserError(f"the network takes a dictionary of {', '.join(self.inputs)}")
            each = given
        else:
            if not isinstance(given, tuple | list) or len(given) != len(self.inputs):
                raise UserError(f"the network takes {len(self.inputs)} inputs in a tuple")
            each = dict(zip(self.inputs, given, strict=True))
        found = {name: schema.samples(each[name]) for name, schema in self.inputs.items()}
        counts = {name: schema.count(found[name]) for name, schema in self.inputs.items()}
        if len(set(counts.values())) > 1:
            raise UserError(
                f"inputs have {', '.join(f'{n} samples of {name}' for name, n in counts.items())}"
            )
        return found

    def count(self, samples: Any) -> int:
        name, schema = next(iter(self.inputs.items()))
        return schema.count(samples[name])

    def piece(self, samples: Any, at: slice) -> dict[str, Any]:
        return {name: schema.piece(samples[name], at) for name, schema in self.inputs.items()}

    def tensors(self, given: Any) -> Tree:
        each = {}
        for name, schema in self.inputs.items():
            try:
                each[name] = schema.tensors(given[name])
            except UnfitSample as error:
                raise UnfitSample(error.place, error.why, f"input {name!r}: {error.what}") from None
        return each if self.named else tuple(each.values())

    def preparation(self) -> nn.Module:
        layers = [schema.preparation() for schema in self.inputs.values()]
        return PrepareEach(list(self.inputs) if self.named else None, layers)

    def drawn(self, count: int, generator: torch.Generator) -> Tree | None:
        return self._each({name: each.drawn(count, generator) for name, each in self.inputs.items()})

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tree | None:
        own = prepare.by if isinstance(prepare, Each) else None
        if own is None:
            stored = prepare(stored)
        found = {}
        for place, (name, schema) in enumerate(self.inputs.items()):
            key = name if self.named else place
            found[name] = schema.restored(stored[key], _unchanged if own is None else own[key])
        return self._each(found)

    def _each(self, found: Mapping[str, Tree | None]) -> Tree | None:
        if any(each is None for each in found.values()):
            return None
        return dict(found) if self.named else tuple(found.values())

    def told(self) -> str:
        between = "a dictionary of " if self.named else "a tuple of "
        return between + "; ".join(
            f"{name}: {schema.told()}" if self.named else schema.told()
            for name, schema in self.inputs.items()
        )

    def example(self) -> str:
        if self.named:
            return "{" + ", ".join(f"{name!r}: {each.example()}" for name, each in self.inputs.items()) + "}"
        return "(" + ", ".join(each.example() for each in self.inputs.values()) + ",)"


class PrepareEach(nn.Module):
    """Layer that prepares each of several inputs, in a dictionary by name or, without names, in a tuple."""

    def __init__(self, names: list[str] | None, layers: list[nn.Module]) -> None:
        super().__init__()
        self.names = names
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any) -> Any:
        if self.names is None:
            if not isinstance(x, tuple | list) or len(x) != len(self.layers):
                raise UserError(f"the network takes {len(self.layers)} inputs in a tuple")
            return tuple(layer(each) for layer, each in zip(self.layers, x, strict=True))
        if not isinstance(x, Mapping) or set(x) != set(self.names):
            raise UserError(f"the network takes a dictionary of {', '.join(self.names)}")
        return {name: layer(x[name]) for name, layer in zip(self.names, self.layers, strict=True)}


def _unchanged(x: Tree) -> Tree:
    return x

"""safetensors: weights, with all that is needed to build the network for them in the file's header."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from optnas.export.format import Format
from optnas.export.traced import Traced
from optnas.space.shapes import plain_shape
from optnas.winner.ensemble import Ensemble

__all__ = ["Safetensors"]

# What a later layout of the header is told by.
_LAYOUT = "1"


class Safetensors(Format):
    """safetensors, for those who build the network themselves: no graph, so nothing to run."""

    name = "safetensors"
    suffix = ".safetensors"
    takes = (
        "safetensors takes every network, as it has no graph: whoever reads it builds the architecture, which"
        " is in its header, with optnas or by code of one's own"
    )

    def content(self, traced: Traced) -> dict[str, bytes]:
        model = traced.model
        # Children 0 to 2: what prepares inputs, the network, what scales outputs.
        names = dict(zip("012", ("preparation", "network", "scale"), strict=True))
        tensors = {}
        for name, value in model.state_dict().items():
            child, rest = name.split(".", 1)
            tensors[f"{names[child]}.{rest}"] = value.clone().contiguous()
        header = {
            "format": "pt",
            "optnas.layout": _LAYOUT,
            "optnas.architecture": str(model.record["architecture"]),
            "optnas.shape": json.dumps(plain_shape(model.schema.shape)),
            "optnas.context": json.dumps(model.record["context"]),
            **_ensemble(model.network),
            "optnas.inputs": json.dumps(traced.inputs, ensure_ascii=False),
            "optnas.outputs": json.dumps(traced.outputs, ensure_ascii=False),
            "optnas.schema": traced.schema,
        }
        return {self.suffix: save(tensors, header)}

    def version(self, path: Path) -> str:
        with safe_open(path, framework="pt") as file:
            return f"layout {file.metadata()['optnas.layout']}"

    def runner(self, path: Path, traced: Traced) -> None:
        return None


def _ensemble(network: nn.Module) -> dict[str, str]:
    """Return what the header says of a network that is several of one architecture."""
    if not isinstance(network, Ensemble):
        return {}
    mean = "probabilities" if network.classes else "outputs"
    return {"optnas.ensemble": json.dumps({"members": len(network.members), "mean_of": mean})}

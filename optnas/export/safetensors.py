"""safetensors: weights, with all that is needed to build the network for them in the file's header."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from optnas.export.format import Call, Format, quoted, torch_call
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
            **({"optnas.learned": str(model.record["learned"])} if "learned" in model.record else {}),
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

    def code(self, call: Call) -> tuple[list[str], list[str]]:
        lines = [
            f'with safe_open({quoted(call.file)}, framework="pt") as file:',
            "    header = file.metadata()",
            "    weights = {name: file.get_tensor(name) for name in file.keys()}",
            "",
            "",
            "def part(start):",
            "    found = [name for name in weights if name.startswith(start)]",
            "    return {name.removeprefix(start): weights[name] for name in found}",
            "",
            "",
            # The steps around the network, which a program of one's own has in its own way.
            'model = optnas.load(".")',
            "prepare, _, scale = model.children()",
            'architecture = optnas.parse(header["optnas.architecture"])',
            'context = json.loads(header["optnas.context"])',
        ]
        if call.members:
            lines += [
                "members = []",
                f"for place in range({call.members}):",
                "    member = architecture.build(model.schema.shape, **context)",
                '    member.load_state_dict(part(f"network.members.{place}."))',
                "    members.append(member.eval())",
                *torch_call(call, "[member(prepare({})) for member in members]"),
            ]
        else:
            lines += [
                "network = architecture.build(model.schema.shape, **context).eval()",
                'network.load_state_dict(part("network."))',
                *torch_call(call, "scale(network(prepare({})))"),
            ]
        return ["import json", "import optnas", "import torch", "from safetensors import safe_open"], lines


def _ensemble(network: nn.Module) -> dict[str, str]:
    """Return what the header says of a network that is several of one architecture."""
    if not isinstance(network, Ensemble):
        return {}
    mean = "probabilities" if network.classes else "outputs"
    return {"optnas.ensemble": json.dumps({"members": len(network.members), "mean_of": mean})}

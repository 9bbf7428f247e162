"""PyTorch's own layers as the calls that make them."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from optnas.export.python.code import REQUIRED, Argument, Call, CannotExport, Leaf, Text

__all__ = ["is_torchs", "torch_call"]

_MISSING = object()
_NOT_WRITTEN = {"self", "device", "dtype", "inplace", "_weight", "_freeze", "_stacklevel"}


def is_torchs(module: nn.Module) -> bool:
    """Return whether a module is of ``torch.nn`` itself."""
    return getattr(nn, type(module).__name__, None) is type(module)


def torch_call(module: nn.Module) -> Call:
    """Return the call that makes a layer of ``torch.nn``, with the arguments that are not PyTorch's own.

    Raises:
        CannotExport: If the layer does not say what it was made with.
    """
    kind = type(module)
    if isinstance(module, nn.RNNBase):
        return _recurrent(module)
    arguments = []
    parameters = list(inspect.signature(kind.__init__).parameters.values())
    first = parameters[1].name if len(parameters) > 1 else ""
    for parameter in parameters:
        if parameter.name in _NOT_WRITTEN:
            continue
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        value = _value(module, parameter.name)
        if value is _MISSING or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            if default is REQUIRED and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                raise CannotExport(f"nn.{kind.__name__} does not keep its {parameter.name}")
            continue
        if parameter.name == "stride" and default is None and value == _value(module, "kernel_size"):
            continue
        if parameter.name == "p" and isinstance(value, float):
            value = round(value, 4)  # of dropout, which a trained network no longer has
        code = Leaf(value) if _generalizes(value) else Text(_text(value, kind, parameter.name))
        if isinstance(code, Text) and default is not REQUIRED and value == default:
            continue
        if parameter.name == first and value != default:
            default = REQUIRED  # by position, as in nn.Dropout(0.2)
        arguments.append(Argument(parameter.name, code, default))
    return Call(f"nn.{kind.__name__}", tuple(arguments))


def _value(module: nn.Module, name: str) -> Any:
    if name == "bias":
        found = getattr(module, "bias", None)
        return found if isinstance(found, bool) else found is not None
    if name == "init" and isinstance(module, nn.PReLU):
        return module.init
    if not hasattr(module, name):
        return _MISSING
    found = getattr(module, name)
    if isinstance(found, tuple) and found and len(set(found)) == 1 and not isinstance(module, nn.LayerNorm):
        return found[0]
    if isinstance(module, nn.LayerNorm) and name == "normalized_shape" and len(found) == 1:
        return found[0]
    if isinstance(module, nn.Upsample) and name == "scale_factor" and float(found).is_integer():
        return int(found)
    return found


def _recurrent(module: nn.RNNBase) -> Call:
    arguments = [
        Argument("input_size", Leaf(module.input_size)),
        Argument("hidden_size", Leaf(module.hidden_size)),
        Argument("num_layers", Leaf(module.num_layers), 1),
        Argument("batch_first", Leaf(module.batch_first), False),
        Argument("dropout", Leaf(round(module.dropout, 4)), 0.0),
        Argument("bidirectional", Leaf(module.bidirectional), False),
    ]
    if not module.bias:
        arguments.insert(3, Argument("bias", Leaf(False), True))
    return Call(f"nn.{type(module).__name__}", tuple(arguments))


def _generalizes(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(each, int) for each in value)
    return isinstance(value, bool | int | float)


def _text(value: Any, kind: type, name: str) -> str:
    from optnas.export.python.layout import literal

    if value is None or isinstance(value, str):
        return literal(value)
    if isinstance(value, torch.dtype):
        return str(value)
    raise CannotExport(f"nn.{kind.__name__} was made with {name}={value!r:.60}, which has no short source")

"""Morphisms of layers that are made of several: recurrent ones, attention, patches, reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from optnas.inherit.layers import Morphed, convolution, linear, of_layer, row_shares
from optnas.inherit.signals import Signal, cyclic
from optnas.ops.modules import FactorizedReduce
from optnas.ops.sequence_modules import LearnedPositions, Patches, SelfAttention, Sequence1d, States

__all__ = ["morphed"]

_GATES = {"LSTM": 4, "GRU": 3}


def morphed(child: nn.Module, parent: nn.Module, before: Signal) -> Morphed | None:
    """Give a layer the weights of its parent's; ``None``, with nothing changed, if there is no morphism.

    Args:
        child: The layer of the child.
        parent: The parent's layer at the same place.
        before: What comes in.
    """
    if before.channels is None or type(child) is not type(parent):
        return None
    with torch.no_grad():
        own = _MORPHISMS.get(type(child))
        return of_layer(child, parent, before) if own is None else own(child, parent, before)


def _sequence_conv(child: Sequence1d, parent: Sequence1d, before: Signal) -> Morphed | None:
    padding = (child.padding[:1], parent.padding[:1])
    return convolution(child.convolution, parent.convolution, before, padding)


def _patches(child: Patches, parent: Patches, before: Signal) -> Morphed | None:
    return convolution(child.projection, parent.projection, before)


def _positions(child: LearnedPositions, parent: LearnedPositions, before: Signal) -> Morphed | None:
    if len(child.vectors) != len(parent.vectors):
        return None
    child.vectors.copy_(parent.vectors[:, before.channels])
    return Morphed(before.channels, True, child.vectors.numel())


def _reduce(child: FactorizedReduce, parent: FactorizedReduce, before: Signal) -> Morphed | None:
    halves = [convolution(child.even, parent.even, before), convolution(child.odd, parent.odd, before)]
    even, odd = halves
    if even is None or odd is None or even.channels is None or odd.channels is None:
        return None
    channels = torch.cat((even.channels, odd.channels + parent.even.out_channels))
    return Morphed(channels, even.exact and odd.exact, even.count + odd.count)


def _recurrent(child: States, parent: States, before: Signal) -> Morphed | None:
    """Recurrent layer: a wider state has copies of units, and what each tells the next step is divided."""
    ours: Any = child.recurrent
    theirs: Any = parent.recurrent
    alike = ("mode", "num_layers", "bidirectional", "bias")
    same = all(getattr(ours, name) == getattr(theirs, name) for name in alike)
    if not same or type(ours) is not type(theirs) or bool(getattr(ours, "proj_size", False)):
        return None
    gates = _GATES.get(ours.mode, 1)
    units = cyclic(ours.hidden_size, theirs.hidden_size)
    rows = torch.cat([units + gate * theirs.hidden_size for gate in range(gates)])
    assert before.channels is not None
    given, exact, count = before.channels, before.covers(theirs.input_size), 0
    ways = ["", "_reverse"] if ours.bidirectional else [""]
    for number in range(ours.num_layers):
        for way in ways:
            for name, columns in ((f"weight_ih_l{number}{way}", given), (f"weight_hh_l{number}{way}", units)):
                weight, other = getattr(ours, name), getattr(theirs, name)
                weight.copy_(other[rows][:, columns] * row_shares(columns, len(rows), other.shape[1]))
                count += weight.numel()
            for name in (f"bias_ih_l{number}{way}", f"bias_hh_l{number}{way}"):
                if ours.bias:
                    getattr(ours, name).copy_(getattr(theirs, name)[rows])
                    count += len(rows)
        given = torch.cat([units + place * theirs.hidden_size for place in range(len(ways))])
    return Morphed(given, exact and ours.hidden_size >= theirs.hidden_size, count)


def _attention(child: SelfAttention, parent: SelfAttention, before: Signal) -> Morphed | None:
    """Self-attention of as many heads: each has copies of its features, equally many of each.

    Copies make the products of queries and keys larger, which smaller queries make up for.
    """
    ours, theirs = child.queries_keys_values, parent.queries_keys_values
    wide, narrow = ours.in_features // child.heads, theirs.in_features // parent.heads
    if child.heads != parent.heads or child.causal != parent.causal or wide < narrow:
        return None
    within = cyclic(wide, narrow)
    features = torch.cat([within + head * narrow for head in range(child.heads)])
    rows = torch.cat([features + which * theirs.in_features for which in range(3)])
    channels = before.channels
    assert channels is not None
    scale = torch.ones(len(rows), 1)
    scale[: ours.in_features] = math.sqrt(narrow / wide)
    shares = row_shares(channels, len(rows), theirs.in_features)
    ours.weight.copy_(theirs.weight[rows][:, channels] * shares * scale)
    if (ours.bias is None) != (theirs.bias is None):
        return None
    if ours.bias is not None:
        ours.bias.copy_(theirs.bias[rows] * scale[:, 0])
    out = linear(child.out, parent.out, Signal(before.stands_for, True, features))
    exact = wide % narrow == 0 and before.covers(theirs.in_features) and out.exact
    return Morphed(out.channels, exact, ours.weight.numel() + len(rows) * (ours.bias is not None) + out.count)


_MORPHISMS: dict[type[nn.Module], Callable[[Any, Any, Signal], Morphed | None]] = {
    FactorizedReduce: _reduce,
    LearnedPositions: _positions,
    Patches: _patches,
    SelfAttention: _attention,
    Sequence1d: _sequence_conv,
    States: _recurrent,
}

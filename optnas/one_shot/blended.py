"""Mixtures of activations in a supernet, read back as an architecture that can be trained on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from optnas.drawing.curves import is_activation
from optnas.drawing.learned import with_learned
from optnas.one_shot.mixed import MIXED
from optnas.one_shot.path import OnSharedWeights
from optnas.one_shot.placed import Placing
from optnas.one_shot.supernet import Supernet
from optnas.one_shot.traced import traced
from optnas.ops import elementary, merges
from optnas.ops.expressions import act
from optnas.space import Node, Site
from optnas.space.closing import decide_from
from optnas.space.holes import Choose

__all__ = ["blended", "blends"]

# What has a smaller share of a mixture is left out: it would not be seen in any plot.
_LEAST = 0.01


def blends(net: Supernet) -> tuple[str, ...]:
    """Return the names of the choices between activations alone, whose mixtures are activations as well."""
    return tuple(name for name in net.mixable if _of_activations(net.holes[name]))


def blended(net: Supernet, params: Mapping[str, Any], probabilities: Callable[[str], Tensor]) -> Node:
    """Return an architecture whose choices between activations are the sums that the supernet computed.

    A sum is an expression: ``act(add(scale(mish, 0.7), scale(relu, 0.3)))``. Options that make up less than
    a hundredth of it are left out. Constants of options that are learned begin with what the supernet has
    learned. It is no architecture of the space, as none of it is a mixture.

    Args:
        net: The supernet.
        params: The values of all parameters; those of choices between activations do not matter.
        probabilities: Returns for the name of such a choice the probabilities of its options.
    """
    tree = Placing(decide_from(params), blends(net)).placed(net.space)
    tree = _summed(tree, probabilities)
    network = traced(tree, net.shape, **net.context)
    shared = OnSharedWeights(net.weights, network.module, net.weights.slices(network))
    module = shared.copy_to(traced(tree, net.shape, **net.context).module)
    learned = with_learned(tree, module, Site.of(net.shape, net.context), digits=4)
    found: Node = _plain(learned)
    return found


def _of_activations(hole: Any) -> bool:
    return isinstance(hole, Choose) and all(
        isinstance(option, Node) and is_activation(option) for option in hole.options
    )


def _summed(value: Any, probabilities: Callable[[str], Tensor]) -> Any:
    """Return a tree with expressions in the place of mixtures; places stay the names of its nodes."""
    if not isinstance(value, Node):
        return value
    children = tuple(_summed(child, probabilities) for child in value.children)
    if value.op is not MIXED:
        args = tuple((name, _summed(each, probabilities)) for name, each in value.args)
        return Node(value.op, args, children, value.name)
    shares = probabilities(value.arguments["hole"]).detach().tolist()
    terms = [
        elementary.scale(child, float(f"{share:.3g}"))
        for child, share in zip(children, shares, strict=True)
        if share >= min(_LEAST, max(shares))
    ]
    return Node(act, (("of", merges.add(*terms) if len(terms) > 1 else terms[0]),), (), value.name)


def _plain(value: Any, *, inside: bool = False) -> Any:
    """Return a tree without names, in which no expression is within another."""
    if not isinstance(value, Node):
        return value
    if value.op is act and inside:
        return _plain(value.arguments["of"], inside=True)
    inside = inside or value.op is act
    args = tuple((name, _plain(each, inside=inside)) for name, each in value.args)
    return Node(value.op, args, tuple(_plain(child, inside=inside) for child in value.children))

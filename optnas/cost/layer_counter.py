"""Activations, elementwise functions, depth and width of a module, counted while it runs on the meta device.

The conventions are those of :class:`~optnas.cost.Cost`, so that a network has the same costs whether it is
made of optnas's ops or is one module of the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from optnas.cost.elementwise import functions_of, is_layout
from optnas.cost.flop_formulas import PRODUCT_FUNCTIONS

__all__ = ["LayerCount", "counting_layers"]

_CONTAINERS = (nn.ModuleDict, nn.ModuleList, nn.ParameterDict, nn.ParameterList)
# Layers whose biases are no elementwise functions, and functions that are such layers.
_WEIGHTED = (nn.Linear, _ConvNd, nn.Bilinear)
_WEIGHTED_FUNCTIONS = frozenset(["linear", "bilinear", "conv1d", "conv2d", "conv3d"])
_DROP_PATHS = ("DropPath", "StochasticDepth")
_ATTENTION = "scaled_dot_product_attention"

Paths = Mapping[int, frozenset[int]]
"""The layers with weights on the longest path to a tensor, from each input, by its number, that it has."""


class LayerCount:
    """Activations, elementwise functions, width and depth counted so far.

    Attributes:
        activations: Numbers that they write.
        elementwise: Arithmetic functions applied number by number.
        width: The most output channels or features of a layer with weights.
        depth: The number of layers with weights on the longest path to the output.
        depths: The same from each input that the output depends on, by its place among all.
    """

    def __init__(self) -> None:
        self.depths: dict[int, int] = {}
        self.activations = self.elementwise = self.width = self.depth = 0


class _Dataflow:
    """Where tensors come from: from the input, by a path of layers, or from weights alone."""

    def __init__(self, module: nn.Module, given: list[Tensor]) -> None:
        self._paths: dict[int, Paths] = {id(each): {place: frozenset()} for place, each in enumerate(given)}
        self._weights: dict[int, int] = {}
        self._kept: list[Any] = [*given]  # as an id is free again once its tensor is gone
        for owner in module.modules():
            for parameter in owner.parameters(recurse=False):
                # The weights of a recurrent cell are one layer.
                layer = owner if isinstance(owner, nn.RNNCellBase) else parameter
                self._weights[id(parameter)] = id(layer)

    def paths(self, tensors: list[Tensor]) -> Paths:
        """Return the longest path to tensors from each input; none if they do not depend on any."""
        found: dict[int, frozenset[int]] = {}
        for tensor in tensors:
            for place, path in self._paths.get(id(tensor), {}).items():
                if place not in found or len(path) > len(found[place]):
                    found[place] = path
        return found

    def layer(self, tensors: list[Tensor]) -> int | None:
        """Return the layer whose weights are among tensors; ``None`` if there are none."""
        return next((self._weights[id(tensor)] for tensor in tensors if id(tensor) in self._weights), None)

    def put(self, tensors: list[Tensor], paths: Paths, layer: int | None) -> None:
        for tensor in tensors:
            self._kept.append(tensor)
            if paths:
                self._paths[id(tensor)] = paths
            elif layer is not None:
                self._weights[id(tensor)] = layer


def _longer(paths: Paths, layers: set[int]) -> Paths:
    return {place: path | layers for place, path in paths.items()}


class _Call:
    """A call of a module that is under way."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.leaf = not any(
            not isinstance(each, _CONTAINERS) for each in module.modules() if each is not module
        )
        self.opaque = isinstance(module, nn.RNNBase | nn.MultiheadAttention)
        self.products = 0  # products with weights
        self.written = 0  # by functions between layers
        self.computed = False


class _Layers:
    """Follows the calls of modules, by hooks."""

    def __init__(self, count: LayerCount, flow: _Dataflow) -> None:
        self.count = count
        self.flow = flow
        self.calls: list[_Call] = []
        self.within = ""  # the function that is called, if it is one of those above

    def before(self, module: nn.Module, *_: Any) -> None:
        self.calls.append(_Call(module))

    def after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        call = self.calls.pop()
        outside = next((each for each in self.calls if each.leaf or each.opaque), None)
        outputs, given = _tensors(output), _tensors((args, kwargs))
        if outside is None and outputs:
            numbers = outputs[0].numel()
            if isinstance(module, _DropoutNd) or type(module).__name__ in _DROP_PATHS:
                # It does nothing here, as the module does not train.
                self.count.activations += numbers
                self.count.elementwise += numbers
            elif isinstance(module, nn.RNNBase):
                self._recurrent(module, given, outputs)
            elif isinstance(module, nn.MultiheadAttention):
                self._attention(module, given, outputs)
            elif not call.leaf or call.products > 1:  # several layers, written as functions
                self.count.activations += call.written
            elif call.computed or not _passed_on(outputs[0], given):
                self.count.activations += numbers
        if self.calls:
            self.calls[-1].computed |= call.computed

    def _recurrent(self, module: nn.RNNBase, given: list[Tensor], outputs: list[Tensor]) -> None:
        gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1)
        directions = 2 if module.bidirectional else 1
        length = outputs[0].numel() // outputs[0].shape[-1]
        states = length * module.num_layers * directions * module.hidden_size
        self.count.activations += (gates + 1) * states
        self.count.elementwise += 2 * gates * states
        self._deeper(module, given, outputs, module.num_layers, outputs[0].shape[-1])

    def _attention(self, module: nn.MultiheadAttention, given: list[Tensor], outputs: list[Tensor]) -> None:
        queries, keys = (each.numel() // each.shape[-1] for each in (given[0], given[min(1, len(given) - 1)]))
        self.count.activations += module.embed_dim * (3 * queries + 2 * keys)
        self.count.elementwise += 3 * module.num_heads * queries * keys
        self._deeper(module, given, outputs, 2, module.embed_dim)

    def _deeper(
        self, module: nn.Module, given: list[Tensor], outputs: list[Tensor], layers: int, width: int
    ) -> None:
        passed = {hash((id(module), layer)) for layer in range(layers)}
        self.flow.put(outputs, _longer(self.flow.paths(given), passed), None)
        self.count.width = max(self.count.width, width)


class _Functions(TorchFunctionMode):
    """Counts what functions write that a module's forward calls between its layers."""

    def __init__(self, layers: _Layers) -> None:
        super().__init__()
        self._layers = layers

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        layers, before = self._layers, self._layers.within
        name = getattr(func, "__name__", "")
        if name in PRODUCT_FUNCTIONS or name in _WEIGHTED_FUNCTIONS or name == _ATTENTION:
            layers.within = before or name
        call = layers.calls[-1] if layers.calls else _Call(nn.Identity())
        computed, call.computed = call.computed, False
        try:
            out = func(*args, **(kwargs or {}))
        finally:
            layers.within = before
        if call.computed:
            call.written += sum(each.numel() for each in _tensors(out)[:1])
        call.computed |= computed
        return out


class _Operators(TorchDispatchMode):
    """Follows the tensors through the operators, and counts what they do number by number."""

    def __init__(self, layers: _Layers, products: Callable[[Any], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._layers = layers
        self._is_product = products

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        layers, flow = self._layers, self._layers.flow
        given, outputs = _tensors((args, kwargs)), _tensors(out)
        paths, layer = flow.paths(given), flow.layer(given)
        product = self._is_product(func)
        call = layers.calls[-1] if layers.calls else None
        opaque = any(each.opaque for each in layers.calls)
        if paths and outputs:
            if product and layer is not None and not opaque:
                paths = _longer(paths, {layer})
                channels = outputs[0].shape[1 if "conv" in func.overloadpacket.__name__ else -1]
                layers.count.width = max(layers.count.width, channels)
                if call is not None:
                    call.products += 1
            if not opaque and not func.is_view and not is_layout(func):
                if call is not None:
                    call.computed = True
                if not product:
                    self._elementwise(func, args, given, outputs)
        flow.put(outputs, paths, layer)
        return out

    def _elementwise(self, func: Any, args: Any, given: list[Tensor], outputs: list[Tensor]) -> None:
        layers = self._layers
        name = func.overloadpacket.__name__
        softmax = name in ("_softmax", "_safe_softmax")
        weighted = layers.within in _WEIGHTED_FUNCTIONS or any(
            isinstance(call.module, _WEIGHTED) for call in layers.calls
        )
        if weighted or (layers.within == _ATTENTION and not softmax):
            return
        if layers.within in PRODUCT_FUNCTIONS and name == "mul":
            return
        layers.count.elementwise += functions_of(func, args, given, outputs)


@contextmanager
def counting_layers(module: nn.Module, given: Any, products: Callable[[Any], bool]) -> Iterator[Any]:
    """Count what the layers of ``module`` do inside this context, in which it is called once on ``given``.

    Yields a function that takes the module's output and returns the :class:`LayerCount`.

    Args:
        module: The module, on the meta device and not training.
        given: Its inputs, a tensor or a tree of them, of one sample.
        products: Returns whether an operator multiplies tensors.
    """
    count, flow = LayerCount(), _Dataflow(module, _tensors(given))
    layers = _Layers(count, flow)

    def ended(output: Tensor) -> LayerCount:
        count.depths = {place: len(path) for place, path in flow.paths([output]).items()}
        count.depth = max(count.depths.values(), default=0)
        return count

    hooks = []
    for part in module.modules():
        hooks.append(part.register_forward_pre_hook(layers.before, prepend=True))
        hooks.append(part.register_forward_hook(layers.after, with_kwargs=True))
    try:
        with _Functions(layers), _Operators(layers, products):
            yield ended
    finally:
        for hook in hooks:
            hook.remove()


def _passed_on(output: Tensor, given: list[Tensor]) -> bool:
    """Return whether a module that computes nothing returns its input, or one of several, as it came."""
    return output.numel() == given[0].numel() or any(output is each for each in given)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]

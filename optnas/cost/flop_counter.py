"""Costs counted by a forward pass on the meta device, for ops that define no cost."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from optnas.cost.cost import Cost
from optnas.cost.flop_formulas import PRODUCT_FUNCTIONS, formulas, is_uncounted_product
from optnas.cost.layer_counter import counting_layers
from optnas.cost.paths import Paths, places
from optnas.errors import Note
from optnas.space.errors import UncountableError
from optnas.space.shapes import AnyShape, Shapes
from optnas.space.source import place_of

__all__ = ["FlopCount", "counted", "counting_flops", "meta_input"]


def meta_input(shape: AnyShape, *, batch: int = 1, tokens: bool = False) -> Any:
    """Return an input of ``shape`` on the meta device, of integers if it holds tokens; of several by name."""
    if isinstance(shape, Shapes):
        return {name: meta_input(each, batch=batch, tokens=tokens) for name, each in shape.items()}
    dtype = torch.long if tokens else torch.get_default_dtype()
    return torch.empty((batch, *shape), dtype=dtype, device="meta")


class FlopCount:
    """FLOPs counted so far.

    Attributes:
        total: 2 × multiply-accumulates.
        uncounted: The names of operators that may multiply tensors and for which there is no formula.
    """

    def __init__(self) -> None:
        self.total = 0
        self.uncounted: set[str] = set()


class _Products(TorchFunctionMode):
    """Knows whether a function runs whose elementwise products are products of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.within = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        product = getattr(func, "__name__", "") in PRODUCT_FUNCTIONS
        self.within += product
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.within -= product


class _Others(TorchDispatchMode):
    """Looks at the operators that PyTorch's counter passes over."""

    def __init__(self, count: FlopCount, products: _Products, known: set[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = count
        self._products = products
        self._known = known

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if func.overloadpacket is torch.ops.aten.mul:
            if self._products.within and len(tensors) == 2:
                self._count.total += 2 * out.numel()
        elif func.overloadpacket not in self._known:
            numbers = [x for x in tensors if x.is_floating_point() or x.is_complex()]
            if is_uncounted_product(func, len(numbers)):
                self._count.uncounted.add(str(func.overloadpacket))
        return out


def is_product(operator: Any) -> bool:
    """Return whether an operator multiplies tensors, by a formula that is known."""
    from torch.utils.flop_counter import flop_registry

    return operator.overloadpacket in flop_registry or operator.overloadpacket in formulas()


@contextmanager
def counting_flops() -> Iterator[FlopCount]:
    """Count the FLOPs of what is computed inside this context, on the meta device.

    Counted are the operators of ``torch.utils.flop_counter`` and those of :mod:`optnas.cost.flop_formulas`:
    products of matrices, vectors and batches of them, ``einsum``, bilinear maps, distances, FFTs,
    convolutions, attention. The count is complete when the context is left.
    """
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    count, products = FlopCount(), _Products()
    counter = FlopCounterMode(display=False, custom_mapping=formulas())
    with products, _Others(count, products, {*flop_registry, *formulas()}), counter:
        yield count
    count.total += counter.get_total_flops()


def counted(module: nn.Module, *shapes: AnyShape, tokens: bool = False, called: str = "a module") -> Cost:
    """Return the cost of ``module``, which must be on the meta device, on one sample of each of ``shapes``.

    The module takes as many arguments as there are shapes, most often one; of a shape of several tensors it
    takes a dictionary by name.

    Its weights count as ``params``, frozen ones included; buffers do not. If an operator may multiply tensors
    and there is no formula for it, a warning names it and the op that is ``called`` so: it counts as 0.

    On the meta device nothing is allocated or computed. On the CPU the counter would be silently
    wrong for LSTM and attention, whose CPU kernels do not consist of counted operations.

    Raises:
        UncountableError: If it cannot be counted without data, or returns no tensor.
        RuntimeError: Whatever else the module raises on such an input.
    """
    module.eval()  # one sample is too few for a batch norm in training
    given = [meta_input(shape, tokens=tokens) for shape in shapes]
    with counting_flops() as count, counting_layers(module, given, is_product) as layers_of:
        output = _called(module, given, called)
    layers = layers_of(output)
    for name in sorted(count.uncounted):
        warnings.warn(
            f"{called}: what {name} multiplies is unknown and counts as 0 FLOPs; give @op(cost=…)",
            Note,
            stacklevel=2,
        )
    return Cost(
        shape=tuple(output.shape[1:]),
        flops=count.total,
        params=sum(parameter.numel() for parameter in module.parameters()),
        activations=layers.activations,
        elementwise=layers.elementwise,
        depth=layers.depth,
        width=layers.width,
        paths=_paths(shapes, layers.depths),
    )


def _paths(shapes: tuple[AnyShape, ...], depths: Mapping[int, int]) -> Paths | None:
    """Return the path from each input, if there are several: from arguments by place, or one by name."""
    inputs = [
        place if len(shapes) == 1 else (str(argument), *place)
        for argument, shape in enumerate(shapes)
        for place in places(shape)
    ]
    return {(): {inputs[place]: depth for place, depth in depths.items()}} if len(inputs) > 1 else None


# What PyTorch says where a forward pass needs numbers, or a kernel, that the meta device has not.
_NEEDS_NUMBERS = re.compile(
    r"\.item\(\)|meta tensor|to numpy|data-dependent|register_meta|_local_scalar_dense", re.IGNORECASE
)
_NEEDS_KERNEL = re.compile("'Meta' backend|unsupported scalarType")


def _called(module: nn.Module, given: list[Any], called: str) -> Tensor:
    """Return the module's output; errors that have nothing to do with the architecture say so."""
    try:
        output = module(*given)
    except (RuntimeError, TypeError, ValueError) as error:
        place, said = place_of(error), str(error)
        if "on the expected device meta" in said or "Expected all tensors to be on the same device" in said:
            raise UncountableError(
                f"op {called!r} mixes its input with a tensor on another device{place}, and so cannot be"
                " counted on the meta device: make that tensor in forward by device=x.device, keep it by"
                " register_buffer, or give @op(cost=…)"
            ) from error
        if _NEEDS_NUMBERS.search(said):
            raise UncountableError(
                f"op {called!r} reads values in forward{place}, and so cannot be counted without data:"
                " give @op(cost=…)"
            ) from error
        if _NEEDS_KERNEL.search(said):
            raise UncountableError(
                f"op {called!r} cannot be counted on the meta device{place}: give @op(cost=…)"
            ) from error
        raise
    if not isinstance(output, Tensor):
        raise UncountableError(
            f"op {called!r} returns a {type(output).__name__}, and so cannot be counted: return one tensor,"
            " or where what follows takes no tensor give @op(cost=…)"
        )
    return output

"""Contents of objects: values of arrays, settings of PyTorch's modules, attributes of Python's own."""

from __future__ import annotations

import contextlib
import copyreg
import hashlib
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

__all__ = ["array_text", "contents_of", "functions_by_type", "functions_in_closure", "is_module", "is_value"]
__all__ += ["module_state", "slots"]

# Larger arrays count by a hash of their bytes.
_LARGEST_LISTED = 2**16
# Modules whose objects are values. Those of others may hold what every process has another of: random
# numbers, paths, threads, loggers.
_VALUES = {
    *("array", "builtins", "collections", "datetime", "decimal", "fractions", "functools", "itertools"),
    *("numpy", "numpy.lib", "operator", "re", "statistics", "torch", "torch.distributions", "types"),
}
_TENSORS = ("_parameters", "_buffers", "_modules")


def array_text(array: Any) -> list[str]:
    """Return an array's values as text, or a hash of them; nothing of weights and meta tensors."""
    # Weights are random, and trained.
    if getattr(array, "requires_grad", False) or getattr(array, "is_meta", False):
        return []
    size = getattr(array, "nbytes", None)
    if size is None:
        return []
    try:
        listed = size <= _LARGEST_LISTED
        return [repr(array.tolist()) if listed else hashlib.blake2b(_bytes(array)).hexdigest()]
    except (AttributeError, RuntimeError, TypeError, ValueError):  # a sparse one
        return []


def _bytes(array: Any) -> Any:
    if hasattr(array, "detach"):
        import torch

        tensor: torch.Tensor = array.detach().cpu().contiguous().reshape(-1)
        return tensor.view(torch.uint8).numpy().data
    import numpy as np

    values = np.asarray(array)
    return repr(values.tolist()).encode() if values.dtype.hasobject else np.ascontiguousarray(values).data


def is_module(value: Any) -> bool:
    """Return whether a value is an ``nn.Module``."""
    attributes = getattr(value, "__dict__", {})
    return all(name in attributes for name in _TENSORS)


def module_state(module: Any) -> dict[str, Any]:
    """Return the settings, parameters, buffers and children of a library's ``nn.Module``."""
    return {
        name: value
        for name, value in vars(module).items()
        if name in _TENSORS or not (name.startswith("_") or name == "training")
    }


def is_value(value: Any) -> bool:
    """Return whether an object is a value of Python's, PyTorch's or NumPy's own, or has such a base."""
    return any(
        cls.__module__ in _VALUES or ".".join(cls.__module__.split(".")[:2]) in _VALUES - {"torch", "numpy"}
        for cls in type(value).__mro__
        if cls is not object and not cls.__name__.startswith("_")
    ) and not isinstance(value, GetSetDescriptorType | MemberDescriptorType | type(None))


def contents_of(value: Any) -> tuple[Any, ...]:
    """Return what a copy of a value of Python's, PyTorch's or NumPy's own is made of; nothing of others."""
    if type(value).__module__.startswith("torch.jit"):
        return (str(getattr(value, "code", "")),)
    if not is_value(value):
        return ()
    try:
        special = copyreg.dispatch_table.get(type(value))
        made = value.__reduce_ex__(2) if special is None else special(value)
    except Exception:  # it is none to be copied
        return ()
    if isinstance(made, str):
        return (made,)
    function, arguments, state, items, pairs = (*made, None, None, None)[:5]
    return (function, arguments, state, [*(items or ())], dict(pairs or ()))


def functions_by_type(function: FunctionType) -> list[FunctionType]:
    """Return the functions among which one of ``functools.singledispatch`` chooses."""
    registry = getattr(function, "registry", {})
    return [each for each in registry.values() if isinstance(each, FunctionType)]


def functions_in_closure(function: FunctionType) -> list[FunctionType]:
    """Return the functions in a function's closure."""
    found = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not assigned yet
            found.append(cell.cell_contents)
    return [each for each in found if isinstance(each, FunctionType)]


def slots(value: Any) -> dict[str, Any]:
    """Return the attributes of an object that stand in ``__slots__``."""
    found = {}
    for cls in type(value).__mro__:
        names = vars(cls).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            private = name.startswith("__") and not name.endswith("__")
            attribute = f"_{cls.__name__.lstrip('_')}{name}" if private else name
            if name not in ("__dict__", "__weakref__") and hasattr(value, attribute):
                found[attribute] = getattr(value, attribute)
    return found

"""Ablation of a trained network: metrics on the validation part without each of its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data import Part
from optnas.data.trees import Tree, device_of, samples_in
from optnas.errors import UserError
from optnas.ops.merging import Merging
from optnas.ops.modules import Gated, Merged, Residual
from optnas.ops.several import Forked
from optnas.reports.ablations import Ablation, Sensitivity
from optnas.reports.numbers import readable
from optnas.run.files import define_ops, load_study, output_to_stderr
from optnas.run.lookup import find_trial, named_study
from optnas.run.notes import data_is_known
from optnas.space import BuildError, Node, Site
from optnas.space.parse import parse_tree
from optnas.tasks import Task
from optnas.train.batches import InOrder
from optnas.train.loop import evaluate, evaluated_at_once
from optnas.trials.record import ARCHITECTURE
from optnas.winner.ensemble import Ensemble
from optnas.winner.folder import finished
from optnas.winner.model import load

__all__ = ["keep", "sensitivity"]

_Measured = Callable[[], dict[str, float]]
_Hook = Callable[[nn.Module, tuple[Any, ...], Any], Any]


def sensitivity(
    file: str | None, folder: Path, *, ops: Sequence[str] = (), changed_ops: bool = False
) -> Sensitivity:
    """Measure a trained network without each layer, block and branch in turn, and with half of its output.

    Args:
        file: The study's file, which has the data.
        folder: The folder that ``optnas train`` wrote.
        ops: Files and modules that define ops of one's own which the study's file does not.
        changed_ops: Whether ops of one's own may differ from those that were trained.

    Raises:
        UserError: If there is no such file or network, or the study has no task or another one.
    """
    if file is None or ".py" not in file:
        raise UserError(
            "--run needs the study's file, which has the data: optnas explain STUDY.py --run FOLDER"
        )
    data_is_known()
    with output_to_stderr():
        study = load_study(file)
    if study.task is None:
        raise UserError(
            f"study {study.name!r} evaluates by a function of its own: there is no validation part"
        )
    # Without what prepares inputs and what scales outputs, as the search measures it.
    define_ops(ops)
    model = load(folder, changed_ops=changed_ops)
    network, record = model.network, model.record
    task, shape = study.task, model.schema.shape
    if task.data.shape != shape:
        raise UserError(f"{folder} is of inputs of shape {shape}, and {file} has {task.data.shape}")
    architecture = parse_tree(record["architecture"])
    site = Site.of(shape, record["context"])
    part, prepare = task.data.splits.validation, task.data.splits.prepare

    def measured() -> dict[str, float]:
        found = evaluate(network, task, part, prepare)
        return found if "loss" in found else {**found, "loss": _loss(network, task, part, prepare)}

    try:
        whole = measured()
    except NotImplementedError:
        raise UserError(f"{type(task).__name__} has no loss to measure on the validation part") from None
    parts = list(_parts_of_all(architecture, network, site))
    seen = [[_Seen() for _ in each] for each in parts]
    hooks = (
        (one.module, saw.look)
        for each, saws in zip(parts, seen, strict=True)
        for one, saw in zip(each, saws, strict=True)
    )
    _hooked(hooks, measured)
    found = (_ablation(each, saws, measured) for each, saws in zip(parts, seen, strict=True))
    return Sensitivity(str(folder), len(part), whole, [each for each in found if each is not None])


def _loss(network: nn.Module, task: Task, part: Part, prepare: Callable[[Tree], Tree]) -> float:
    """Return the mean of the loss that the task is trained by."""
    size = evaluated_at_once(device_of(part.y).type, part.shape)
    with torch.inference_mode():
        losses = [(samples_in(y), task.loss(network(x), y).item()) for x, y in InOrder(part, size, prepare)]
    return sum(count * loss for count, loss in losses) / sum(count for count, _ in losses)


def keep(found: Sensitivity, folder: Path, url: str) -> str:
    """Keep what was measured of a trial's network in its study's record, and say so; or say why not.

    Args:
        found: What was measured.
        folder: The network's folder.
        url: The URL of the study's storage.
    """
    record = finished(folder) or {}
    name, number = record.get("study"), record.get("trial")
    if not isinstance(name, str) or type(number) is not int:
        return "Not kept for the report and the page, as the network is of no trial."
    try:
        study = named_study(url, name)
        trial = find_trial(study, number)
    except UserError as error:
        return f"Not kept for the report and the page: {error}"
    if ARCHITECTURE.of(trial) != record["architecture"]:
        return f"Not kept for the report and the page: trial {trial.number} has another architecture by now."
    found.keep(study, trial.number)
    return f"Kept with trial {trial.number}: optnas report and the page of the study show it."


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part of a network.

    Attributes:
        place: Where it is.
        text: Its text.
        body: Whether it is the body of a residual connection.
        module: Its module.
    """

    place: str
    text: str
    body: bool
    module: nn.Module


def _parts_of_all(tree: Node, network: nn.Module, site: Site) -> Iterator[tuple[_Part, ...]]:
    """Yield each part of a network, or that of each member of an ensemble: all are of one architecture."""
    members = list(network.members) if isinstance(network, Ensemble) else [network]
    return zip(*(_parts(tree, member, site) for member in members), strict=True)


def _parts(tree: Node, module: nn.Module, site: Site, place: str = "") -> Iterator[_Part]:
    """Yield the parts below a node."""
    if tree.op.chain:
        yield from _chain(tree, module, site, place)
    elif tree.op.name == "residual" and isinstance(module, Residual):
        if module.shortcut is not None:  # else it is as if all of it were skipped
            yield _Part(f"{place}.body".strip("."), f"body of {_text(tree)}", True, module.body)
        yield from _chain(tree, module.body, site, place)
    elif tree.op.name == "excite" and isinstance(module, Gated):
        yield from _chain(tree, module.gate, site, place)
    elif isinstance(tree.op, Merging) and isinstance(module, Merged):
        for i, (child, each) in enumerate(zip(tree.children, module.branches, strict=True)):
            yield from _with_its_own(child, each, site, f"{place}.{i}".strip("."))
    elif isinstance(module, Forked):
        for (name, child), each in zip(tree.args, module.branches, strict=True):
            yield from _with_its_own(child, each, site, f"{place}.{name}".strip("."))
    else:
        opened = tree.op.stands_for(tree, site)
        if opened is not None:
            yield from _parts(opened, module, site, place)


def _chain(tree: Node, module: nn.Module, site: Site, place: str) -> Iterator[_Part]:
    modules = [module] if len(tree.children) == 1 else list(module.children())
    if len(modules) != len(tree.children):
        return
    for i, (child, each) in enumerate(zip(tree.children, modules, strict=True)):
        yield from _with_its_own(child, each, site, f"{place}.{i}".strip("."))
        try:
            site = site.at(site.cost(child).shape)
        except BuildError:
            return


def _with_its_own(child: Node, module: nn.Module, site: Site, place: str) -> Iterator[_Part]:
    if not isinstance(module, nn.Identity):
        yield _Part(place, _text(child), False, module)
    yield from _parts(child, module, site, place)


def _text(tree: Node) -> str:
    return readable(str(tree))


@dataclasses.dataclass
class _Seen:
    """Statistics of a module's inputs and outputs over all samples."""

    total: Tensor | None = None
    count: int = 0
    same_shape: bool = True
    numbers: bool = True

    def look(self, _: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Forward hook: take a batch."""
        self.numbers = self.numbers and isinstance(output, Tensor) and output.is_floating_point()
        if not self.numbers:
            return
        given = next(iter(inputs), None)  # of several inputs a dictionary
        self.same_shape = self.same_shape and isinstance(given, Tensor) and given.shape == output.shape
        total = output.double().sum(dim=0)
        self.total = total if self.total is None else self.total + total
        self.count += len(output)


def _hooked(hooks: Iterable[tuple[nn.Module, _Hook]], measured: _Measured) -> dict[str, float]:
    """Return the metrics with forward hooks."""
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        return measured()
    finally:
        for handle in handles:
            handle.remove()


def _ablation(parts: Sequence[_Part], seen: Sequence[_Seen], measured: _Measured) -> Ablation | None:
    """Return what the metrics are without a part and with half of it; ``None`` if it puts out no numbers.

    Args:
        parts: The part; of an ensemble that of each member, which are left out together.
        seen: What each was given and put out.
        measured: Function that measures the network.
    """
    if not all(saw.numbers and saw.total is not None for saw in seen):
        return None
    first = parts[0]
    without = _hooked(
        [(part.module, _instead(part, saw)) for part, saw in zip(parts, seen, strict=True)], measured
    )
    halved = _hooked([(part.module, _half) for part in parts], measured)
    how = "left out" if first.body else "skipped" if seen[0].same_shape else "averaged"
    return Ablation(first.place, first.text, how, without, halved)


def _instead(part: _Part, seen: _Seen) -> _Hook:
    """Return the forward hook that puts out what takes a part's place."""
    assert seen.total is not None
    mean = seen.total / seen.count

    def instead(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if part.body:
            return output * 0
        if seen.same_shape:
            return inputs[0]  # type: ignore[no-any-return]
        return mean.to(output.dtype).expand_as(output)

    return instead


def _half(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output * 0.5

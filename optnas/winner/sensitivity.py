"""How much a trained network depends on each of its parts, on the validation part of the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from optnas.errors import UserError
from optnas.ops.merges import Merge
from optnas.ops.modules import Gated, Merged, Residual
from optnas.reports.explain_view import signed
from optnas.reports.numbers import rounded, short
from optnas.run.files import load_study, output_to_stderr
from optnas.shown import plain
from optnas.space import BuildError, Node, Site
from optnas.space.parse import parse_tree
from optnas.train.loop import evaluate
from optnas.winner.folder import finished, load

__all__ = ["Ablation", "Sensitivity", "sensitivity", "sensitivity_view"]

How = Literal["skipped", "averaged", "left out"]


@dataclasses.dataclass(frozen=True)
class Ablation:
    """What the metrics become without a part.

    Attributes:
        place: Where the part is: the number of the child at each level, from 0 on.
        part: Its text.
        how: ``skipped``: its input goes on unchanged; ``averaged``: where it changes the shape, its output is
            the mean over all samples; ``left out``: of a residual connection only the shortcut is left.
        metrics: The metrics on the validation part without it.
    """

    place: str
    part: str
    how: How
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """How a network depends on its parts.

    Attributes:
        folder: The folder of the network.
        samples: Number of validation samples.
        metrics: The metrics of the whole network.
        ablations: One for each part, in the order of the network.
    """

    folder: str
    samples: int
    metrics: dict[str, float]
    ablations: list[Ablation]

    def as_record(self) -> dict[str, Any]:
        """Return everything as a dictionary that can be written as JSON."""
        return dataclasses.asdict(self)


def sensitivity(file: str | None, folder: Path) -> Sensitivity:
    """Measure a trained network without each of its layers, blocks and branches in turn, all else the same.

    Args:
        file: The study's file, which has the data.
        folder: The folder that ``optnas train`` wrote.

    Raises:
        UserError: If there is no such file or network, or the study has no task or another one.
    """
    if file is None or ".py" not in file:
        raise UserError(
            "--run needs the study's file, which has the data: optnas explain STUDY.py --run FOLDER"
        )
    with output_to_stderr():
        study = load_study(file)
    if study.task is None:
        raise UserError(
            f"study {study.name!r} evaluates by a function of its own: there is no validation part"
        )
    # Between what normalises inputs and what scales outputs, as the search measures it.
    _, network, _ = load(folder).children()
    record = finished(folder) or {}
    task, shape = study.task, tuple(record["input"]["shape"])
    if task.data.shape != shape:
        raise UserError(f"{folder} is of inputs of shape {shape}, and {file} has {task.data.shape}")
    architecture = parse_tree(record["architecture"])
    site = Site.of(shape, record["context"])
    part, prepare = task.data.splits.validation, task.data.splits.prepare

    def measured() -> dict[str, float]:
        return evaluate(network, task, part, prepare)

    whole = measured()
    if "loss" not in whole:
        raise UserError(f"{type(task).__name__} measures no loss on the validation part")
    ablations = []
    for place, text, body, module in _parts(architecture, network, site):
        found = _without(module, body, measured)
        if found is not None:
            ablations.append(Ablation(place, text, *found))
    return Sensitivity(str(folder), len(part), whole, ablations)


_Part = tuple[str, str, bool, nn.Module]


def _parts(tree: Node, module: nn.Module, site: Site, place: str = "") -> Iterator[_Part]:
    """Yield the parts below a node: place, text, whether it is the body of a residual connection, module."""
    if tree.op.chain:
        yield from _chain(tree, module, site, place)
    elif tree.op.name == "residual" and isinstance(module, Residual):
        if module.shortcut is not None:  # else it is as if all of it were skipped
            yield f"{place}.body".strip("."), f"body of {_text(tree)}", True, module.body
        yield from _chain(tree, module.body, site, place)
    elif tree.op.name == "excite" and isinstance(module, Gated):
        yield from _chain(tree, module.gate, site, place)
    elif isinstance(tree.op, Merge) and isinstance(module, Merged):
        for i, (child, each) in enumerate(zip(tree.children, module.branches, strict=True)):
            yield from _with_its_own(child, each, site, f"{place}.{i}".strip("."))
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
        yield place, _text(child), False, module
    yield from _parts(child, module, site, place)


def _text(tree: Node) -> str:
    return rounded(str(tree))


def _without(module: nn.Module, body: bool, measured: Any) -> tuple[How, dict[str, float]] | None:
    """Return how a module was ablated and the metrics without it; ``None`` if its output is no tensor."""
    sums: list[Tensor] = []
    count, same = 0, True

    def look(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal count, same
        if not isinstance(output, Tensor) or not inputs or not isinstance(inputs[0], Tensor):
            same, count = False, -1
            return
        same = same and inputs[0].shape == output.shape
        if count >= 0:
            total = output.double().sum(dim=0)
            sums[:] = [sums[0] + total if sums else total]
            count += len(output)

    hook = module.register_forward_hook(look)
    try:
        measured()
    finally:
        hook.remove()
    if count <= 0:
        return None

    def instead(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if body:
            return output * 0
        if same:
            return inputs[0]  # type: ignore[no-any-return]
        return (sums[0] / count).to(output.dtype).expand_as(output)

    hook = module.register_forward_hook(instead)
    try:
        return ("left out" if body else "skipped" if same else "averaged"), measured()
    finally:
        hook.remove()


def sensitivity_view(found: Sensitivity, width: int = 80) -> RenderableType:
    """Return a table of the parts, with the change of the loss and the first metric without each."""
    metric = next((name for name in found.metrics if name != "loss"), "loss")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("part", overflow="ellipsis", no_wrap=True, max_width=max(12, width - 36))
    table.add_column("without it", no_wrap=True, min_width=10)
    table.add_column("loss", justify="right", no_wrap=True, min_width=8)
    table.add_column(Text(plain(metric)), justify="right", no_wrap=True, min_width=8)
    for each in found.ablations:
        changes = {name: each.metrics[name] - value for name, value in found.metrics.items()}
        deep = "  " * each.place.count(".")
        table.add_row(
            Text(f"{deep}{plain(each.part)}"),
            each.how,
            signed(changes["loss"]),
            signed(changes[metric]) if metric != "loss" else "",
        )
    told = f"{plain(metric)} {short(found.metrics[metric])}, " if metric != "loss" else ""
    head = f"{plain(found.folder)}: {told}loss {short(found.metrics['loss'])} on {found.samples:,} samples"
    most = max(found.ablations, key=lambda each: each.metrics["loss"], default=None)
    parts: list[RenderableType] = [Text(head, style="bold cyan")]
    if most is not None:
        change = signed(most.metrics["loss"] - found.metrics["loss"])
        parts.append(Text(f"It depends most on {plain(most.part)}: without it the loss changes by {change}."))
    return Group(*parts, "", table)

"""A trained network as its users have it: read from its folder, and asked for predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from optnas.answers import Answer, Classes, Forecast, Values, answer_of
from optnas.data.schemas import Schema, schema_of
from optnas.data.trees import Tree, samples_in
from optnas.errors import UserError, shortened
from optnas.shown import plain
from optnas.space import SpaceError, ops_by_name
from optnas.space.parse import parse_tree
from optnas.space.shapes import numbers_in, plain_shape
from optnas.winner.ensemble import Ensemble
from optnas.winner.json_file import read_json
from optnas.winner.names import RECORD, SCHEMA, WEIGHTS, inside, member
from optnas.winner.outputs import scaling
from optnas.winner.weights import read_weights

__all__ = ["Model", "load"]

_BATCH = 256
# Numbers of samples at once: 64 MB in float32, and what a network makes of them is a multiple.
_MOST_AT_ONCE = 2**24
_LONGEST_REASON = 200


class Model(nn.Sequential):
    """A trained network, on the CPU and ready to predict: from what a user has to what a user reads.

    As a module it takes a batch of tensors as :attr:`schema` makes them (arrays in the layout and the range
    that they came in), prepares them, and returns outputs in the unit of the targets; its three children are
    the layer that prepares, the network, and the layer that scales outputs.

    Attributes:
        schema: What users have of a sample, and how it becomes tensors.
        answer: What users read, made from outputs.
        record: All that ``metrics.json`` says of it.
    """

    def __init__(
        self, network: nn.Module, scale: nn.Module, schema: Schema, answer: Answer, record: Mapping[str, Any]
    ) -> None:
        super().__init__(schema.preparation(), network, scale)
        self.schema, self.answer, self.record = schema, answer, record
        self.eval()

    @property
    def module(self) -> nn.Module:
        """The same as a plain ``nn.Module``, from prepared tensors to outputs, without the rest."""
        return nn.Sequential(*self.children()).eval()

    @property
    def network(self) -> nn.Module:
        """The architecture's own module, between what prepares inputs and what scales outputs.

        Of several seeds kept together it is their :class:`~optnas.winner.ensemble.Ensemble`.
        """
        return self[1]

    def predict(self, given: Any, *, batch_size: int = _BATCH, **options: Any) -> Any:
        """Return predictions for what a user has: rows of a table, arrays, pictures, paths, texts.

        What exactly is taken and returned is in the folder's model card: classes with their probabilities in
        a DataFrame, values in the unit of the targets, generated texts.

        Args:
            given: One sample or several, before any preparation.
            batch_size: Samples that go through the network at once, of large ones fewer.
            options: For what is generated, how; see the class of :attr:`answer`.

        Raises:
            UserError: If it is not what the network was trained on; says where and what to do.
        """
        parts = list(self.predictions(given, batch_size=batch_size, **options))
        if not parts:
            return self._no_answers(options)
        found = self.answer.joined(parts)
        return found[0] if isinstance(found, list) and self.schema.is_one(given) else found

    def _no_answers(self, options: Mapping[str, Any]) -> Any:
        """Return the predictions for no sample: what a made-up one has, without its row."""
        drawn = self.schema.drawn(1, torch.Generator().manual_seed(0))
        if drawn is None:
            raise UserError("there is no sample to predict for: give at least one")
        own = {name: value for name, value in options.items() if name not in self.schema.options}
        return _without_rows(self._answered(drawn, 0, own))

    def predictions(self, given: Any, *, batch_size: int = _BATCH, **options: Any) -> Iterator[Any]:
        """Yield the predictions of :meth:`predict` a batch at a time."""
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size}: it must be at least 1")
        own = {name: options.pop(name) for name in self.schema.options if name in options}
        first = 0
        size = min(batch_size, max(1, _MOST_AT_ONCE // max(1, numbers_in(self.schema.shape))))
        for inputs in self._batches(given, size, own):
            found = self._answered(inputs, first, options)
            first += samples_in(inputs)
            yield found

    def _batches(self, given: Any, size: int, options: Mapping[str, Any]) -> Iterator[Tree]:
        """Yield what a user gave as tensors.

        Raises:
            UserError: If it is not what the network was trained on, or memory is too small for it.
        """
        try:
            yield from self.schema.batches(given, size, **options)
        except UserError as error:  # names of columns stand in it, and other texts of the folder
            if len(message := str(error)) == len(short := shortened(message)):
                raise
            raise UserError(short) from None
        except (MemoryError, OverflowError, RuntimeError) as error:  # of Python, Pillow or NumPy, or PyTorch
            raise UserError(f"no tensors can be made of what is given: {_reason(error)}") from error

    def _answered(self, inputs: Tree, first: int, options: Mapping[str, Any]) -> Any:
        """Return the answers to a batch that ``first`` samples stand before.

        Raises:
            UserError: If network, schema and answer are not of one another, or memory is too small.
            TypeError, ValueError: If an option is unknown, or wrong.
        """
        try:
            with torch.inference_mode():
                return self.answer.at(first)(self, inputs, **options)
        except UserError:
            raise
        except Exception as error:  # whatever modules say to tensors that they are not made for
            if isinstance(error, TypeError | ValueError) and options:
                raise
            raise UserError(
                f"the network cannot predict: {_reason(error)}; give fewer samples at once by batch_size if"
                " memory is too small, else its folder is damaged"
            ) from error


def load(folder: str | Path, *, changed_ops: bool = False) -> Model:
    """Return the network that ``optnas train`` wrote into ``folder``, on the CPU and ready to predict.

    ``load(folder).predict(rows)`` takes what its data was made of, and ``load(folder)(tensors)`` a batch of
    tensors; the folder's README.md says what these are. Nothing in the folder is executed, and nothing
    outside it is read.

    Args:
        folder: The folder.
        changed_ops: Whether ops of one's own may have another source than when the network was trained.

    Raises:
        UserError: If there is no network, or it is damaged, or it needs an op that is not defined or has
            another source than then.
    """
    folder = Path(folder)
    try:
        record = read_json(inside(folder, RECORD))
        _check_ops(folder, record["own_ops"], changed_ops)
        path = folder / SCHEMA
        # Earlier folders have the schema in the record.
        told = read_json(inside(folder, SCHEMA)) if path.exists() else record
        schema, answer = schema_of(told["input"]), answer_of(told.get("answer"))
        network = _network(folder, record, schema, answer)
        return Model(network, scaling(told["output_scale"]), schema, answer, record)
    except UserError:
        raise
    except OSError as error:
        why = error.strerror or _reason(error)
        raise UserError(f"{folder} holds no network of optnas train: {why}") from None
    except SpaceError as error:
        raise UserError(
            f"{folder}: {_reason(error)}; define ops of your own before loading what uses them"
        ) from None
    except Exception as error:  # whatever is said to JSON and tensors of any kind
        raise UserError(f"{folder} is damaged, or not of optnas train: {_reason(error)}") from error


def _without_rows(answers: Any) -> Any:
    if isinstance(answers, Mapping):
        return {name: _without_rows(each) for name, each in answers.items()}
    return tuple(map(_without_rows, answers)) if isinstance(answers, tuple) else answers[:0]


def _reason(error: Exception) -> str:
    """Return what an error says, short and on one line, as strangers' texts may stand in it."""
    return shortened(plain(str(error).strip().split("\n")[0]) or type(error).__name__, _LONGEST_REASON)


def _network(folder: Path, record: Mapping[str, Any], schema: Schema, answer: Answer) -> nn.Module:
    """Return the network with its weights, or the ensemble of several.

    Raises:
        UserError: If a file is a link that leads out of the folder.
        SpaceError, ValueError, RuntimeError, SafetensorError, OSError: If they are not of the architecture.
    """
    if "ensemble" not in record:
        return _member(record, schema, inside(folder, WEIGHTS))
    seeds = record["ensemble"]["seeds"]
    if not all(type(seed) is int and abs(seed) < 2**64 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise ValueError("the members of its ensemble are no seeds")
    if not isinstance(answer, Classes | Forecast | Values):
        raise ValueError("an ensemble has a mean of classes or values alone")
    members = [_member(record, schema, inside(folder, member(seed))) for seed in seeds]
    return Ensemble(members, classes=isinstance(answer, Classes))


def _member(record: Mapping[str, Any], schema: Schema, weights: Path) -> nn.Module:
    """Return the network with its weights; nothing large is made before their shapes agree.

    Raises:
        SpaceError, ValueError, RuntimeError, SafetensorError: If they are not of the architecture.
    """
    # Not by any other notation: there the name of an op could mean something else.
    architecture = parse_tree(record["architecture"])
    shape, context = plain_shape(schema.shape), record["context"]
    with torch.device("meta"):
        expected = architecture.build(shape, **context)
    found = read_weights(weights, expected)
    network: nn.Module = architecture.build(shape, **context)
    network.load_state_dict(found)
    return network


def _check_ops(folder: Path, trained: Mapping[str, Any] | Sequence[str], changed: bool) -> None:
    """Raise ``UserError`` if an op of the user's own is missing, or is another one than was trained."""
    for name in trained:
        if not isinstance(name, str) or len(name) > _LONGEST_REASON:
            raise ValueError("an op of one's own has no name")
        # Earlier folders have the names alone.
        op, then = ops_by_name().get(name), trained[name] if isinstance(trained, Mapping) else {}
        module = then.get("module")
        if module is not None and (not isinstance(module, str) or len(module) > _LONGEST_REASON):
            raise ValueError(f"the op {name!r} is of no module")
        if op is None:
            raise UserError(
                f"{folder}: the network has the op {name!r} of one's own, which is not defined here: "
                + _how_to_define(module)
            )
        if not changed and then.get("source") not in (None, op.digest):
            raise UserError(
                f"{folder}: the op {name!r} (of {op.module}) is not the one that was trained (of {module}):"
                " its source differs; undo the change, or allow it by --changed-ops, in Python by"
                " optnas.load(…, changed_ops=True)"
            )


def _how_to_define(module: str | None) -> str:
    """Return in words what defines an op of the module with that name, in a command and in Python."""
    if module is None or module == "__main__":
        return (
            "give the Python file that defines it by --ops FILE.py, in Python run its definition before"
            " optnas.load"
        )
    file = f"the file {module}.py by --ops {module}.py" if "." not in module else f"it by --ops {module}"
    return f"the module {module} defined it: give {file}, in Python import {module} before optnas.load"

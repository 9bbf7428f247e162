"""A cell as a layered graph: a lane for each state, and a layer for the ops that each state sums."""

from __future__ import annotations

from collections.abc import Callable

from optnas.drawing.boxes import described
from optnas.drawing.fonts import SMALL, width_of
from optnas.drawing.parts import Graph, Part
from optnas.drawing.pieces import Piece, curve, line, merge_sign
from optnas.drawing.svg import Box, Item, Path, Text

__all__ = ["graph_piece"]

_LANE = 11.0
_PADDING = 8.0
_BAND = 14.0
_GAP = 6.0
# Narrower boxes could not be read.
_NARROWEST = 76.0


def graph_piece(graph: Graph, room: float, piece_of: Callable[[Part, float], Piece]) -> Piece:
    """Return the piece of a cell, in a frame of the width of the room."""
    return _Drawn(graph, room, piece_of).piece()


class _Drawn:
    def __init__(self, graph: Graph, room: float, piece_of: Callable[[Part, float], Piece]) -> None:
        self._graph = graph
        self._piece_of = piece_of
        self._half = room / 2
        self._items: list[Item] = []
        self._lanes = _lanes(graph)
        self._began: dict[int, float] = {}
        count = max(self._lanes) + 1
        self._boxes_from = -self._half + _PADDING + _LANE * count + 6
        self._per_row = max(1, int((self._half - _PADDING - self._boxes_from + _GAP) // (_NARROWEST + _GAP)))

    def _lane(self, state: int) -> float:
        return -self._half + _PADDING + 6 + _LANE * self._lanes[state]

    def piece(self) -> Piece:
        graph = self._graph
        y = 18.0
        for state, name in enumerate(graph.inputs):
            x = self._lane(state)
            self._items.append(curve(0, 0, x, y + 10 * state + 8))
            self._dot(state, y + 10 * state + 12, name)
            y += 4
        y += 10 * len(graph.inputs) + 8
        for index, row in enumerate(graph.rows):
            y = self._row(len(graph.inputs) + index, row, y)
        y = self._end(y)
        for note in graph.notes:
            self._items.append(Text(-self._half + 8, y + 11, note, "t-out", 2 * self._half - 16, SMALL))
            y += 13
        frame = Box(-self._half, 0, 2 * self._half, y + 4, "frame", 8, described(graph))
        items: list[Item] = [frame, *self._items]
        title = min(width_of(graph.title, SMALL), self._half - 20)
        items.append(Text(self._half - 8, 13, graph.title, "t-out", title, SMALL, "end"))
        return Piece(self._half, self._half, y + 4, tuple(items))

    def _row(self, state: int, row: tuple[tuple[Part, int | None], ...], y: float) -> float:
        """Place the ops of a state below ``y``, and return where they end."""
        x = self._lane(state)
        for start in range(0, len(row), self._per_row):
            line_of = row[start : start + self._per_row]
            room = (self._half - _PADDING - self._boxes_from + _GAP) / len(line_of) - _GAP
            pieces = [self._piece_of(part, room) for part, _ in line_of]
            top = y + _BAND
            bottom = top + max(piece.height for piece in pieces)
            at = self._boxes_from
            for piece, (_, source) in zip(pieces, line_of, strict=True):
                axis = at + (room - piece.width) / 2 + piece.left
                if source is not None:
                    self._reach(source, y)
                    self._items.append(curve(self._lane(source), y, axis, top))
                self._items += [
                    piece.at(axis, top),
                    line(axis, top + piece.height, axis, bottom),
                    curve(axis, bottom, x, bottom + _BAND),
                ]
                at += room + _GAP
            y = bottom + _BAND
            self._began.setdefault(state, y)
        self._reach(state, y + 4)
        self._dot(state, y + 4, str(state))
        return y + 10

    def _reach(self, state: int, y: float) -> None:
        """Draw the lane of a state down to ``y``."""
        began = self._began[state]
        if y > began:
            self._items.append(line(self._lane(state), began, self._lane(state), y))
            self._began[state] = y

    def _dot(self, state: int, y: float, name: str) -> None:
        x = self._lane(state)
        bend = 1.65
        self._items.append(
            Path(
                (
                    ("M", (x, y - 3)),
                    ("C", (x + bend, y - 3, x + 3, y - bend, x + 3, y)),
                    ("C", (x + 3, y + bend, x + bend, y + 3, x, y + 3)),
                    ("C", (x - bend, y + 3, x - 3, y + bend, x - 3, y)),
                    ("C", (x - 3, y - bend, x - bend, y - 3, x, y - 3)),
                    ("Z", ()),
                ),
                "dot",
            )
        )
        at = self._boxes_from
        self._items.append(Text(at, y + 3.5, name, "t-out", self._half - at, SMALL))
        self._began[state] = y

    def _end(self, y: float) -> float:
        outputs = self._graph.outputs
        for state in outputs:
            self._reach(state, y)
        if len(outputs) == 1:
            self._items.append(curve(self._lane(outputs[0]), y, 0, y + 22))
            return y + 22
        _, sign = merge_sign("concat", y + 22)
        for state in outputs:
            self._items.append(curve(self._lane(state), y, 0, y + 15))
        self._items += [*sign, line(0, y + 29, 0, y + 36)]
        return y + 36


def _lanes(graph: Graph) -> list[int]:
    """Return the lane of each state: one that no other state needs from its beginning to its last use."""
    count = len(graph.inputs) + len(graph.rows)
    ends = list(range(count))
    for index, row in enumerate(graph.rows):
        for _, source in row:
            if source is not None:
                ends[source] = len(graph.inputs) + index
    for state in graph.outputs:
        ends[state] = count
    lanes: list[int] = []
    for state in range(count):
        busy = {lanes[other] for other in range(state) if other < len(graph.inputs) or ends[other] >= state}
        busy = {lanes[other] for other in range(state) if ends[other] >= state or state < len(graph.inputs)}
        lanes.append(next(lane for lane in range(count) if lane not in busy))
    return lanes

"""A cell as a layered graph: a lane for each state, and a layer for the ops that each state sums."""

from __future__ import annotations

from collections.abc import Callable

from optnas.drawing.boxes import described
from optnas.drawing.fonts import SMALL, wrapped
from optnas.drawing.parts import Graph, Part
from optnas.drawing.pieces import Piece, dot, merge_sign, rounded
from optnas.drawing.svg import Box, Item, Text

__all__ = ["graph_piece"]

PieceOf = Callable[[Part, float], Piece]

_LANE = 11.0
_PADDING = 8.0
_GAP = 6.0
# The vertical distance between the lines that come from different states.
_APART = 4.0
# Narrower boxes could not be read, wider ones need not be.
_NARROWEST = 78.0
_WIDEST = 116.0


def graph_piece(graph: Graph, room: float, piece_of: PieceOf) -> Piece:
    """Return the piece of a cell, in a frame of the width of the room.

    Args:
        graph: The cell.
        room: The width.
        piece_of: Makes the piece of a part, which is to fill a width.
    """
    return _Drawn(graph, room, piece_of).piece()


class _Drawn:
    def __init__(self, graph: Graph, room: float, piece_of: PieceOf) -> None:
        self._graph = graph
        self._piece_of = piece_of
        self._half = room / 2
        self._items: list[Item] = []
        self._lanes = _lanes(graph)
        self._began: dict[int, float] = {}
        self._from = _PADDING + _LANE * (max(self._lanes) + 1) + 6 - self._half
        self._to = self._half - _PADDING
        self._per_row = max(1, int((self._to - self._from + _GAP) // (_NARROWEST + _GAP)))

    def _lane(self, state: int) -> float:
        return _PADDING + 6 + _LANE * self._lanes[state] - self._half

    def piece(self) -> Piece:
        graph = self._graph
        y = 24.0
        for state, name in enumerate(graph.inputs):
            x = self._lane(state)
            entry = [(x, 0.0)] if state in graph.apart else [(0.0, 0.0), (0.0, 9.0), (x, 9.0)]
            self._items.append(rounded([*entry, (x, y)]))
            self._dot(state, y, name)
            y += 12
        for state, row in enumerate(graph.rows, start=len(graph.inputs)):
            y = self._row(state, row, y)
        y = self._end(y)
        for note in graph.notes:
            for text in wrapped(note, 2 * self._half - 16):
                self._items.append(Text(8 - self._half, y + 11, text, "t-out", 2 * self._half - 16, SMALL))
                y += 13
        if graph.options is not None:
            piece = self._piece_of(graph.options, 2 * self._half - 2 * _PADDING)
            self._items.append(piece.at((piece.left - piece.right) / 2, y + 8))
            y += piece.height + 12
        frame = Box(-self._half, 0, 2 * self._half, y + 2, "frame", 8, described(graph))
        title = Text(self._half - 8, 13, graph.title, "t-out", self._half - 20, SMALL, "end")
        return Piece(self._half, self._half, y + 2, (frame, title, *self._items))

    def _row(self, state: int, row: tuple[tuple[Part, int | None], ...], y: float) -> float:
        """Place the ops of a state below ``y``, and return where they end."""
        x = self._lane(state)
        for start in range(0, len(row), self._per_row):
            beside = row[start : start + self._per_row]
            room = min((self._to - self._from + _GAP) / len(beside) - _GAP, _WIDEST)
            pieces = [self._piece_of(part, room) for part, _ in beside]
            sources = sorted({source for _, source in beside if source is not None}, key=self._lane)
            top = y + 9 + _APART * len(sources)
            bottom = top + max(piece.height for piece in pieces)
            at = (self._from + self._to - (room + _GAP) * len(beside) + _GAP) / 2
            for piece, (_, source) in zip(pieces, beside, strict=True):
                axis = at + (room - piece.width) / 2 + piece.left
                if source is not None:
                    height = y + 2 + _APART * (1 + sources.index(source))
                    self._reach(source, height)
                    lane = self._lane(source)
                    self._items.append(
                        rounded([(lane, height - 3), (lane, height), (axis, height), (axis, top)])
                    )
                out = [(axis, top + piece.height), (axis, bottom + 6), (x, bottom + 6), (x, bottom + 10)]
                self._items += [piece.at(axis, top), rounded(out)]
                at += room + _GAP
            y = bottom + 10
            self._began.setdefault(state, y)
        self._reach(state, y + 4)
        merge = self._graph.merges[state - len(self._graph.inputs)] if self._graph.merges else ""
        self._dot(state, y + 4, f"{state} {merge}".strip())
        return y + 6

    def _reach(self, state: int, y: float) -> None:
        """Draw the lane of a state down to ``y``."""
        began, x = self._began[state], self._lane(state)
        if y > began:
            self._items.append(rounded([(x, began), (x, y)]))
            self._began[state] = y

    def _dot(self, state: int, y: float, name: str) -> None:
        self._items.append(dot(self._lane(state), y))
        self._items.append(Text(self._from, y + 3.5, name, "t-out", self._to - self._from, SMALL))
        self._began[state] = y + 3

    def _end(self, y: float) -> float:
        outputs = self._graph.outputs
        if len(outputs) == 1:
            x = self._lane(outputs[0])
            self._reach(outputs[0], y + 4)
            self._items.append(rounded([(x, y + 4), (x, y + 10), (0, y + 10), (0, y + 20)]))
            return y + 18
        half, sign = merge_sign("concat", y + 12)
        for state in outputs:
            x = self._lane(state)
            self._reach(state, y + 4)
            self._items.append(rounded([(x, y + 4), (x, y + 12), (-half, y + 12)]))
        self._items += [*sign, rounded([(0, y + 19), (0, y + 28)])]
        return y + 26


def _lanes(graph: Graph) -> list[int]:
    """Return the lane of each state: one that no other state needs from its beginning to its last use."""
    inputs = len(graph.inputs)
    count = inputs + len(graph.rows)
    ends = list(range(count))
    for state, row in enumerate(graph.rows, start=inputs):
        for _, source in row:
            if source is not None:
                ends[source] = state
    for state in graph.outputs:
        ends[state] = count
    lanes: list[int] = []
    for state in range(count):
        busy = {lanes[other] for other in range(state) if ends[other] >= state or state < inputs}
        lanes.append(next(lane for lane in range(count) if lane not in busy))
    return lanes

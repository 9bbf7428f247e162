"""Layout: positions and sizes of the parts of a network, from top to bottom."""

from __future__ import annotations

import dataclasses
from functools import partial

from optnas.drawing.boxes import LEAST, box_of, described
from optnas.drawing.fonts import SMALL, TEXT, width_of
from optnas.drawing.graphs import graph_piece
from optnas.drawing.parts import Branches, Chain, Frame, Graph, Layer, Loop, Options, Part
from optnas.drawing.pieces import Piece, arrow, curve, line, merge_sign, name_sign, rounded
from optnas.drawing.svg import Box, Group, Item, Text
from optnas.space.shapes import AnyShape, shape_text

__all__ = ["Layout"]

_GAP = 6.0
# Where the shape changes, and is written.
_WIDE_GAP = 20.0
_PADDING = 7.0
_TITLE = 14.0
_ARC = 14.0
# Narrower columns could not be read.
_NARROWEST = 78.0
_COPIES = Frame(title="", body=Chain(parts=()))


class Layout:
    """Makes pieces of parts.

    Args:
        whole: FLOPs of the whole network, of which the heights are shares.
    """

    def __init__(self, whole: int) -> None:
        self._whole = whole

    def piece(self, part: Part, room: float, *, fill: bool = False) -> Piece:
        """Return the piece of a part, in a width; with ``fill`` a box takes all of it."""
        match part:
            case Layer():
                return box_of(part, room, self._whole, fill=fill)
            case Chain():
                return self._chain(part, room)
            case Frame():
                return self._frame(part, room)
            case Loop() | Branches() if part.times > 1:  # which have no place to say so
                once = Chain(parts=(dataclasses.replace(part, times=1),))
                return self._frame(dataclasses.replace(_COPIES, body=once, times=part.times), room)
            case Loop():
                return self._loop(part, room)
            case Branches():
                return self._branches(part, room)
            case Graph():
                return graph_piece(part, room, partial(self.piece, fill=True))
            case Options():
                return self._options(part, room)
        raise TypeError(f"no part: {part!r}")

    def _chain(self, chain: Chain, room: float) -> Piece:
        items: list[Item] = []
        left = right = y = 0.0
        if not chain.parts:
            return Piece(0, 0, LEAST, (line(0, 0, 0, LEAST),))
        for index, part in enumerate(chain.parts):
            piece = self.piece(part, room)
            items.append(piece.at(0, y))
            left, right = max(left, piece.left), max(right, piece.right)
            y += piece.height
            if index < len(chain.parts) - 1:
                changed = part.after is not None and part.after != part.before and not _says(part, part.after)
                gap = _WIDE_GAP if changed else _GAP
                items += arrow(0, y, y + gap)
                if changed and part.after is not None:
                    text = shape_text(part.after)
                    half = width_of(text, SMALL)
                    items.append(Text(7, y + 13, text, "t-out", half, SMALL))
                    right = max(right, 7 + half)
                y += gap
        return Piece(left, right, y, tuple(items))

    def _frame(self, frame: Frame, room: float) -> Piece:
        body = self.piece(frame.body, room - 2 * _PADDING)
        top = _PADDING + _TITLE
        height = top + body.height + _PADDING
        left, right = body.left + _PADDING, body.right + _PADDING
        badge = f"×{frame.times}" if frame.times > 1 else ""
        # The title and the badge stand to the left and to the right of the axis.
        left = min(max(left, width_of(frame.title, SMALL) + 12 if frame.title else 0), room / 2)
        right = max(right, width_of(badge, TEXT) + 12)
        described_as = described(frame) if frame.node is not None else ""
        items: list[Item] = [
            Box(-left, 0, left + right, height, "open" if frame.open else "frame", 7, described_as),
            line(0, 0, 0, top),
            line(0, top + body.height, 0, height),
            body.at(0, top),
        ]
        if frame.title:
            items.append(Text(7 - left, 12, frame.title, "t-out", left - 11, SMALL))
        if badge:
            items.append(Text(right - 7, 14, badge, "t-out", right - 11, anchor="end"))
        return Piece(left, right, height, tuple(items))

    def _loop(self, loop: Loop, room: float) -> Piece:
        wide = width_of(loop.shortcut, SMALL) + 8 if loop.shortcut else 0.0
        aside = max(_ARC, wide / 2 + 5)
        body = self.piece(loop.body, room - 2 * (aside + wide / 2 + 1))
        top, bottom = 9.0, 22.0
        x = body.right + aside
        y = top + body.height + bottom - 9
        half, sign = merge_sign(loop.sign, y)
        items: list[Item] = [
            line(0, 0, 0, top),
            rounded([(0, 3), (x, 3), (x, y), (half, y)], radius=12),
            body.at(0, top),
            line(0, top + body.height, 0, y - 7),
            line(0, y + 7, 0, top + body.height + bottom),
            *sign,
        ]
        if loop.shortcut:
            middle = top + body.height / 2
            title = "a strided 1×1 convolution and a norm"
            items += [
                Box(x - wide / 2, middle - 8, wide, 16, "box k-conv", title=title),
                Text(x, middle + 3.5, loop.shortcut, "", wide - 4, SMALL, "middle"),
            ]
        return Piece(body.left, x + wide / 2 + 1, top + body.height + bottom, tuple(items))

    def _branches(self, branches: Branches, room: float) -> Piece:
        if branches.names:
            return self._named(branches, room)
        gap = 8.0
        count = len(branches.paths)
        each = max((room - gap * (count - 1)) / count, _NARROWEST)
        pieces = [self.piece(path, each) for path in branches.paths]
        whole = sum(piece.width for piece in pieces) + gap * (count - 1)
        tallest = max(piece.height for piece in pieces)
        top, bottom = 0.0 if branches.begins else 14.0, 24.0
        end = top + tallest + bottom
        half, sign = merge_sign(branches.merge, end - 9, dashed=branches.open)
        items: list[Item] = []
        x = -whole / 2
        for piece in pieces:
            axis = x + piece.left
            down = top if branches.begins else top + (tallest - piece.height) / 2
            if not branches.begins:
                items += [curve(0, 0, axis, top), line(axis, top, axis, down)]
            items += [
                piece.at(axis, down),
                line(axis, down + piece.height, axis, top + tallest),
                curve(axis, top + tallest, 0, end - 16),
            ]
            x += piece.width + gap
        items += [line(0, end - 2, 0, end), *sign]
        reach = max(whole / 2, half)
        return Piece(reach, reach, end, tuple(items))

    def _named(self, branches: Branches, room: float) -> Piece:
        """Return chains side by side, below each the name and the shape of its output."""
        gap, count = 8.0, len(branches.paths)
        signs = [
            name_sign(name if path.after is None else f"{name} {shape_text(path.after)}")
            for name, path in zip(branches.names, branches.paths, strict=True)
        ]
        each = max((room - gap * (count - 1)) / count, _NARROWEST)
        pieces = [self.piece(path, each) for path in branches.paths]
        lefts = [max(piece.left, half) for piece, (half, _) in zip(pieces, signs, strict=True)]
        rights = [max(piece.right, half) for piece, (half, _) in zip(pieces, signs, strict=True)]
        whole = sum(lefts) + sum(rights) + gap * (count - 1)
        tallest = max(piece.height for piece in pieces)
        top = 0.0 if branches.begins else 14.0
        named = top + tallest + 14
        end = named + (20.0 if branches.ends else 30.0)
        items: list[Item] = []
        x = -whole / 2
        for piece, left, right, (_, sign) in zip(pieces, lefts, rights, signs, strict=True):
            axis = x + left
            if not branches.begins:
                items.append(curve(0, 0, axis, top))
            items += [
                piece.at(axis, top),
                *arrow(axis, top + piece.height, named - 8),
                Group(axis, named, sign),
                *(arrow(axis, named + 8, end) if branches.ends else [curve(axis, named + 8, 0, end)]),
            ]
            x += left + right + gap
        return Piece(whole / 2, whole / 2, end, tuple(items))

    def _options(self, options: Options, room: float) -> Piece:
        inner = room - 2 * _PADDING
        natural = max(self.piece(option, inner).width for option in options.options)
        pieces = [self.piece(option, min(natural, inner), fill=True) for option in options.options]
        left = max(piece.left for piece in pieces) + _PADDING
        right = max(piece.right for piece in pieces) + _PADDING
        title = f"{options.title}: one of {len(options.options)}" if options.title else "one of"
        missing = min(width_of(title, SMALL) + 14, room) - left - right
        left, right = left + max(missing, 0) / 2, right + max(missing, 0) / 2
        items: list[Item] = [Text(7 - left, 12, title, "t-out", left + right - 14, SMALL)]
        y = _TITLE + _PADDING - 3
        several = any(not isinstance(option, Layer) for option in options.options)
        for index, piece in enumerate(pieces):
            if index and several:
                items.append(line(-left, y + 2, right, y + 2, "open"))
                y += 8
            items.append(piece.at(0, y))
            y += piece.height + 4
        height = y - 4 + _PADDING
        frame = Box(-left, 0, left + right, height, "open", 7, described(options))
        return Piece(left, right, height, (frame, *items))


def _says(part: Part, shape: AnyShape) -> bool:
    """Return whether the shape with which a part ends is written within it."""
    if isinstance(part, Branches):
        return bool(part.names)
    if isinstance(part, Frame | Loop):
        return _says(part.body, shape)
    if isinstance(part, Chain):
        for inner in reversed(part.parts[:-1]):
            if inner.after != inner.before:
                return inner.after == shape
        return bool(part.parts) and _says(part.parts[-1], shape)
    return False

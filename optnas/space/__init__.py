"""Search spaces and architectures as trees, their text, and their Optuna parameters."""

from optnas.space.errors import BuildError, OpError, SpaceError, UncountableError
from optnas.space.holes import choose, integer, real, repeat, shared
from optnas.space.node import Node
from optnas.space.op import Op, Site, ops_by_name, register
from optnas.space.parse import parse
from optnas.space.shapes import AnyShape, Shape, Shapes
from optnas.space.spellings import Spelling, register_spelling
from optnas.space.stage import stage, strided

__all__ = [
    "AnyShape",
    "BuildError",
    "Node",
    "Op",
    "OpError",
    "Shape",
    "Shapes",
    "Site",
    "SpaceError",
    "Spelling",
    "UncountableError",
    "choose",
    "integer",
    "ops_by_name",
    "parse",
    "real",
    "register",
    "register_spelling",
    "repeat",
    "shared",
    "stage",
    "strided",
]

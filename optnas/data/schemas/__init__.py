"""Schemas: what users have of a sample, and how it becomes the tensors that a trained network takes."""

from optnas.data.schemas.arrays import Arrays
from optnas.data.schemas.ids import Ids
from optnas.data.schemas.noise import Noise
from optnas.data.schemas.pictures import Pictures
from optnas.data.schemas.schema import Piece, Schema, UnfitSample, schema_of, schema_record
from optnas.data.schemas.sequences import Sequences
from optnas.data.schemas.series import Series
from optnas.data.schemas.several import Several
from optnas.data.schemas.table import Table
from optnas.data.schemas.target import Target
from optnas.data.schemas.texts import Texts

__all__ = [
    "Arrays",
    "Ids",
    "Noise",
    "Pictures",
    "Piece",
    "Schema",
    "Sequences",
    "Series",
    "Several",
    "Table",
    "Target",
    "Texts",
    "UnfitSample",
    "schema_of",
    "schema_record",
]

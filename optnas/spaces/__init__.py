"""Predefined search spaces, as functions that return a space with readable parameter names."""

from optnas.spaces import genotype
from optnas.spaces.chain import chain
from optnas.spaces.darts import darts, darts_network
from optnas.spaces.mlp import mlp
from optnas.spaces.mobile import mobile
from optnas.spaces.nasbench201 import nasbench201, nasbench201_network
from optnas.spaces.recurrent import recurrent
from optnas.spaces.resnet import resnet
from optnas.spaces.transformer import transformer

__all__ = [
    "chain",
    "darts",
    "darts_network",
    "genotype",
    "mlp",
    "mobile",
    "nasbench201",
    "nasbench201_network",
    "recurrent",
    "resnet",
    "transformer",
]

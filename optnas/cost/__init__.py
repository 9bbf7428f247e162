"""What an architecture costs: exactly, from the tree, before anything is built or trained."""

from optnas.cost.cost import COSTS, Cost
from optnas.cost.counted import counted

__all__ = ["COSTS", "Cost", "counted"]

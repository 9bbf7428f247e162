from optnas import ops, spaces
from optnas.space import choose, integer, parse, real, repeat, shared, stage

__all__ = ["choose", "integer", "ops", "parse", "real", "repeat", "shared", "spaces", "stage"]

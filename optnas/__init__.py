from optnas import ops
from optnas.space import choose, integer, parse, real, repeat, shared

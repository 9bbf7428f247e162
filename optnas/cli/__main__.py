"""``python -m optnas.cli``."""

from optnas.cli import main

main()

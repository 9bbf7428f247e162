"""``python -m optnas``."""

from optnas.cli import main

if __name__ == "__main__":
    main()

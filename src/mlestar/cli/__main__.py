"""`python -m mlestar.cli`."""

from mlestar.cli import main

main()

"""`python -m sonometry` is the command line."""

from sonometry.cli import main

main()

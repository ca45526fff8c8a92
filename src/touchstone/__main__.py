"""`python -m touchstone`."""

from touchstone.cli.main import main

main()

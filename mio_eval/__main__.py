"""`python -m mio_eval`: the command line."""

from .cli import main

main()

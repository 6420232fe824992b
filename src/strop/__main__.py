"""Run strop with ``python -m strop``."""

from strop.cli.main import main

main()

"""`python -m medreasoner`: see `cli.py`."""

import sys

from medreasoner.cli import main

sys.exit(main())

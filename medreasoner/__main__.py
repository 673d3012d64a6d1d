"""`python -m medreasoner`: see `cli.py`."""

import os
import sys

from medreasoner.cli import main

if not sys.stderr.isatty():
    os.environ.setdefault("TQDM_DISABLE", "1")  # a file or a pipe is no place for moving bars
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(errors="replace")  # a terminal that cannot show a letter shows a question mark
sys.exit(main())

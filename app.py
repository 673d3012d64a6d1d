"""The entry of a Space and of `make demo`: the command `medreasoner demo`, whose options may also stand in
the environment.

    python app.py [--model ID_OR_FOLDER] [--compare ID_OR_FOLDER] [--port N]    # --help lists all options

A Space sets environment variables instead of options, see `VARIABLES`; there `MEDREASONER_MODEL=A,B` is
`--model A --model B`. Programs use the endpoints of `medreasoner/page/endpoints.py`:
`gradio_client.Client(url).predict(handle_file(path), question, api_name="/ground")`.
"""

import os
import sys
from collections.abc import Sequence

from medreasoner import cli

VARIABLES = {
    "MEDREASONER_MODEL": "--model",
    "MEDREASONER_REVISION": "--revision",
    "MEDREASONER_SEGMENTER": "--segmenter",
    "MEDREASONER_SEGMENTER_REVISION": "--segmenter-revision",
    "MEDREASONER_COMPARE": "--compare",
}
SEVERAL = ("--model", "--segmenter")  # may name several, with commas between: a folder's name may hold blanks


def from_environment(typed: Sequence[str] = ()) -> list[str]:
    """The options that the environment holds, without those that are `typed` on the command line: they win,
    also where an option may be given several times."""
    named = {word.partition("=")[0] for word in typed}
    given = {flag: os.environ.get(name, "") for name, flag in VARIABLES.items() if flag not in named}
    values = {flag: text.split(",") if flag in SEVERAL else [text] for flag, text in given.items()}
    pairs = [(flag, value.strip()) for flag, listed in values.items() for value in listed]
    return [word for flag, value in pairs if value for word in (flag, value)]


def main() -> int:
    """Serve the page. Exit codes as in `medreasoner.cli`: 2 for a model that cannot be loaded or a port that
    is taken."""
    return cli.main(["demo", *from_environment(sys.argv[1:]), *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

"""The entry of a Space and of `make demo`: the command `medreasoner demo`, whose options may also stand in
the environment.

    python app.py [--model ID_OR_FOLDER] [--compare ID_OR_FOLDER] [--port N]    # --help lists all options

A Space sets environment variables instead of options, see `VARIABLES`. Programs use the endpoints of
`medreasoner/page/endpoints.py`: `gradio_client.Client(url).predict(handle_file(path), question,
api_name="/ground")`.
"""

import os
import sys

from medreasoner import cli

VARIABLES = {
    "MEDREASONER_MODEL": "--model",
    "MEDREASONER_REVISION": "--revision",
    "MEDREASONER_SEGMENTER": "--segmenter",
    "MEDREASONER_SEGMENTER_REVISION": "--segmenter-revision",
    "MEDREASONER_COMPARE": "--compare",
}


def from_environment() -> list[str]:
    """The options that the environment holds; those on the command line come after them, and win."""
    given = {flag: os.environ.get(name) for name, flag in VARIABLES.items()}
    return [word for flag, value in given.items() if value for word in (flag, value)]


def main() -> int:
    """Serve the page. Exit codes as in `medreasoner.cli`: 2 for a model that cannot be loaded or a port that
    is taken."""
    return cli.main(["demo", *from_environment(), *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

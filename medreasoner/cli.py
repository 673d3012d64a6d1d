"""The command line: the parser, made from the commands' fields, and the exit code of an error.

The commands are in `commands/`.

    python -m medreasoner ground IMAGE "QUESTION" --out DIR
    python -m medreasoner evaluate --data FOLDER --split validation --out DIR

Exit codes: 0 success; 2 what the user gave cannot be used; 1 the model or the program failed; 130 Ctrl-C.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields

from medreasoner.commands.base import EXTRA_OF, INPUT, OURS, STOPPED, UsageError, say
from medreasoner.commands.data_build import Build
from medreasoner.commands.data_draw import Draw
from medreasoner.commands.data_publish import Publish
from medreasoner.commands.data_review import Review
from medreasoner.commands.demo import Demo
from medreasoner.commands.evaluate import Evaluate
from medreasoner.commands.ground import Ground
from medreasoner.commands.push import PushModel
from medreasoner.commands.report import Report
from medreasoner.commands.score import Score

FULL = (errno.ENOSPC, errno.EDQUOT)  # no room on the disk, or none for this user
# name -> command, or the commands of a group with the group's help under ""
COMMANDS: dict[str, type | dict] = {
    "demo": Demo,
    "ground": Ground,
    "evaluate": Evaluate,
    "report": Report,
    "score": Score,
    "push": PushModel,
    "data": {
        "": "Build, review and publish a set of samples.",
        "build": Build,
        "draw": Draw,
        "review": Review,
        "publish": Publish,
    },
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands, made from their fields."""
    parser = argparse.ArgumentParser(
        prog="python -m medreasoner", description="Grounds implicit clinical questions in medical images."
    )
    _add(parser, COMMANDS)
    return parser


def _add(parser: argparse.ArgumentParser, named: Mapping[str, type | dict | str]) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in named.items():
        if isinstance(command, dict):
            _add(
                commands.add_parser(name, help=command[""], description=command[""]),
                {k: v for k, v in command.items() if k},
            )
        else:
            _add_options(
                commands.add_parser(name, help=command.__doc__, description=command.__doc__), command
            )


def _add_options(parser: argparse.ArgumentParser, command: type) -> None:
    parser.set_defaults(command=command)
    for each in fields(command):
        text, kind = each.metadata["help"], each.metadata["kind"]
        flag = f"--{each.name.replace('_', '-')}"
        if "option" not in each.metadata:
            parser.add_argument(each.name, type=kind, help=text, nargs=each.metadata.get("nargs"))
        elif each.default is False:
            parser.add_argument(flag, action="store_true", help=text)
        else:
            required = each.default is MISSING
            default = None if required else each.default
            options = {"type": kind, "required": required, "metavar": each.metadata["shown"], "help": text}
            if default == ():  # may be given several times
                options["action"], default = "append", []
            parser.add_argument(flag, default=default, **options)


def settle_terminal() -> None:
    """Show "?" for letters the terminal lacks, and keep progress bars out of files and pipes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. argparse itself exits: 0 for --help, 2 for wrong options."""
    settle_terminal()
    options = vars(build_parser().parse_args(arguments))
    command = options.pop("command")(**options)
    from medreasoner.data.load import DataError
    from medreasoner.data.sample import SampleError
    from medreasoner.imaging import ImageError

    try:
        return command.run()
    except (UsageError, ImageError, DataError, SampleError) as error:
        say(str(error))
        return INPUT
    except ModuleNotFoundError as error:
        if error.name not in EXTRA_OF:
            raise
        say(f"{error.name} is not installed; run: pip install 'medreasoner[{EXTRA_OF[error.name]}]'")
        return INPUT
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = f" for {error.filename}" if error.filename else ""
        say(f"The disk is full: there is no room{where}. Make room and run the same command again; finished "
            "work stays.")  # fmt: skip
        return OURS
    except KeyboardInterrupt:
        say("Stopped.")
        return STOPPED

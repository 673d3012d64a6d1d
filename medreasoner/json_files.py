"""Reads a JSON file that holds one object."""

import json
from pathlib import Path


def read_json(path: Path) -> dict:
    """The object in `path`.

    Errors: ValueError with the file's name if it holds anything else, OSError if it cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder; a JSON file was expected") from error
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply to be read") from error
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(values).__name__}")
    return values

"""The figures of a GPU run as a Markdown table."""


def markdown(everything: dict) -> str:
    """The machine in one line, then a row for each figure of each part."""
    about = ", ".join(f"{name} {value}" for name, value in everything["machine"].items())
    lines = [f"Size {everything['size']} on {everything['device']}: {about}.", ""]
    lines += ["| part | figure | value |", "|---|---|--:|"]
    for part, figures in everything["parts"].items():
        lines += [f"| {part} | {name} | {shown(value)} |" for name, value in figures.items()]
    return "\n".join(lines) + "\n"


def shown(value: float | str | None) -> str:
    """Three digits of a number; a reason as one line."""
    if value is None:
        return "–"
    return " ".join(value.split()).replace("|", "/") if isinstance(value, str) else f"{value:.3g}"

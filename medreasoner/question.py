"""Which questions can be asked, and how their text is cleaned."""

MAX_QUESTION = 2000  # characters: a question with a short history; the embedded model's window holds no more


def refuse(question: str) -> str | None:
    """Why `question` cannot be asked, as a sentence; None if it can."""
    if not any(letter.isalnum() for letter in question):
        return "The question is empty; ask about something to be seen in the image."
    if len(question) > MAX_QUESTION:
        return f"The question is {len(question):,} characters long; at most {MAX_QUESTION:,} are read."
    return None


def clean(question: str) -> str:
    """The question without what cannot be written in UTF-8 (halves of surrogate pairs), and without blanks
    around it.
    """
    return question.encode("utf-8", "replace").decode("utf-8").strip()

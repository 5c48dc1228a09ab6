"""Text of strangers on a terminal or in a log: shown, never obeyed."""


def visible(text: str, *, keep_lines: bool = False) -> str:
    r"""The text with every character that could steer a terminal or deceive a reader written as its escape.

    Escape sequences, carriage returns, zero-width and direction-changing characters become ``\x1b``, ``\r``, ``\u202e`` and so on.

    Args:
        keep_lines: leave line breaks as they are, for texts that have several lines (tracebacks).
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or (keep_lines and character == "\n") else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

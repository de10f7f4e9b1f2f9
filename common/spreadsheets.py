"""What a spreadsheet would do to a text, undone."""

# Spreadsheets take a text that begins so for a formula.
_RUNNABLE = ("=", "+", "-", "@", "\t", "\r")


def cell_safe(text: str) -> str:
    """A leading apostrophe makes a spreadsheet show the text instead of running it.

    >>> cell_safe("=1+1"), cell_safe("M01")
    ("'=1+1", 'M01')
    """
    return f"'{text}" if text.startswith(_RUNNABLE) else text

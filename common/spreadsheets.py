"""What a spreadsheet would do to a text, undone; and what no workbook of people may hold."""

from io import BytesIO
from zipfile import BadZipFile, ZipFile

# Spreadsheets take a text that begins so for a formula.
_RUNNABLE = ("=", "+", "-", "@", "\t", "\r")
_LARGEST_BYTES = 64 * 1024 * 1024


def cell_safe(text: str) -> str:
    """A leading apostrophe makes a spreadsheet show the text instead of running it.

    >>> cell_safe("=1+1"), cell_safe("M01")
    ("'=1+1", 'M01')
    """
    return f"'{text}" if text.startswith(_RUNNABLE) else text


def workbook_check(content: bytes) -> None:
    """Refuse what unpacks to more than 64 MiB, or brings entities of its own (XML bombs). Raises ValueError."""
    try:
        with ZipFile(BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > _LARGEST_BYTES:
                raise ValueError("The workbook is too large.")
            # Without its NULs, so that the words are found in whatever width of sign they are written.
            if any(b"<!DOCTYPE" in parts.read(part).replace(b"\0", b"") for part in parts.infolist()):
                raise ValueError("The workbook holds a document type, which no workbook needs.")
    except BadZipFile as error:
        raise ValueError("This is no workbook.") from error

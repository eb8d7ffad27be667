"""Generated blocks of pages, between a pair of markers."""

from __future__ import annotations

from hwgen.errors import HwgenError

BEGIN = "<!-- numbers:begin -->"  # README's
END = "<!-- numbers:end -->"


def fill(text: str, block: str, page: str = "README.md", begin: str = BEGIN, end: str = END) -> str:
    """A page's text with `block` between its markers."""
    if text.count(begin) != 1 or text.count(end) != 1:
        raise HwgenError(page, "no markers", f"needs {begin} and {end} once", "add them")
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n{block}{end}{tail}"

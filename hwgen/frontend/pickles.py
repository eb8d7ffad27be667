"""What a pickle asked for that torch's weights-only load refused."""

from __future__ import annotations


def refused_name(message: str) -> str:
    """The global a weights-only load refused, from torch's message; "" if it was something else."""
    for marker in ("GLOBAL ", "Trying to instantiate class ", "Trying to call reduce for "):
        if marker in message:
            return message.split(marker, 1)[1].split()[0].strip("`'\",")
    return ""

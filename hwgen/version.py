"""The version of hwgen."""

__version__ = "0.2.0"

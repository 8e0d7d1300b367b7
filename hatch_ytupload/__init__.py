"""Reproducible code archives of YT Framework pipelines, built and published with Hatch."""

from hatch_ytupload.__about__ import __version__

__all__ = ["__version__"]

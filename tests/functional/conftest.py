"""Fixtures of the functional ring."""

from checkout import hatch, shared_directory, wheel

__all__ = ["hatch", "shared_directory", "wheel"]

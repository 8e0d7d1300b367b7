"""Fixtures of the functional ring."""

from checkout import hatch, requirements, shared_directory, wheel

__all__ = ["hatch", "requirements", "shared_directory", "wheel"]

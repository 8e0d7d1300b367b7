"""Uploads in the way of YT Framework's own helpers."""

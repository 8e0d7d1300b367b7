"""The token stays out of everything that anybody can read."""

from __future__ import annotations

from urllib.parse import quote

MASK = "[token]"

# Shorter runs of a token's characters may be words of the message.
_SHORTEST = 8


class Redaction:
    """Takes a secret out of texts, whole or in parts, as it is or percent-encoded.

    Args:
        secret: None or empty: there is nothing to take out.
    """

    def __init__(self, secret: str | None) -> None:
        forms = {secret, quote(secret, safe=""), quote(secret)} if secret else set()
        self._short = [form for form in forms if len(form) < _SHORTEST]
        self._pieces = {form[start : start + _SHORTEST] for form in forms for start in range(len(form) - _SHORTEST + 1)}

    def __call__(self, text: str) -> str:
        """Return the text without the secret.

        >>> Redaction("0123456789abcdef")("OAuth 0123456789abc...")
        'OAuth [token]...'
        """
        for form in self._short:
            text = text.replace(form, MASK)
        if not self._pieces:
            return text
        kept, position = [], 0
        while position < len(text):
            end = self._end_of_secret(text, position)
            kept.append(MASK if end > position else text[position])
            position = max(end, position + 1)
        return "".join(kept)

    def __repr__(self) -> str:
        return "<Redaction>"

    def _end_of_secret(self, text: str, start: int) -> int:
        """Return where a run of the secret's characters that begins here ends; `start`, where none does."""
        end = start
        while text[end : end + _SHORTEST] in self._pieces:
            end += 1
        return end + _SHORTEST - 1 if end > start else start

"""Paths that open something by themselves: invitations, confirmations, hand-overs and links carry their proof there."""

import re

# Longer than any word that people read in an address.
_PROOF = re.compile(r"(?<=/)[A-Za-z0-9_:.~-]{24,}")


def proofs_hidden(text: str) -> str:
    """A path, or a line with paths in it, without what proves something by itself.

    >>> proofs_hidden("/invitations/aB3dE5fG7hI9jK1mN3pQ5rS7 refused")
    '/invitations/… refused'
    """
    return _PROOF.sub("…", text)

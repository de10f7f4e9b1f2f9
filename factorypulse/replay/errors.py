"""What stops a replay."""


class ReplayError(Exception):
    """The recording can't be replayed; the sentence says why, and which option helps."""

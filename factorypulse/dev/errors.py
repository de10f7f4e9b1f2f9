"""What stops the trial, in a sentence that says what to do."""


class TrialError(Exception):
    """The trial can't start or go on; the message is for the person at the terminal."""

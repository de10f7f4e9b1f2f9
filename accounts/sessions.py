"""Ending what a person has open: browsers and programs, at once."""

from allauth.usersessions.models import UserSession
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User


def sessions_end(person: User) -> None:
    """End every session of a person; none comes back when they are let in again."""
    for session in UserSession.objects.filter(user=person):
        session.end()
    ended = [BlacklistedToken(token=token) for token in OutstandingToken.objects.filter(user=person)]
    BlacklistedToken.objects.bulk_create(ended, ignore_conflicts=True)

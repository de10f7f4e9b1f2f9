"""Tests: real PostgreSQL and Valkey, which tests/services.py starts; fast hashing; mail in memory."""

from factorypulse.settings.base import *  # noqa: F403

TRIAL = True
SECRET_KEY = "test-only-" + "0123456789abcdef" * 4
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MAILBOX_DIR = STATE_DIR / "mailbox"
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True

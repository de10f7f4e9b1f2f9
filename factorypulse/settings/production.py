"""Production: everything that must be set is required here, and a weak value stops the start."""

from factorypulse import environment
from factorypulse.logs import logging_config
from factorypulse.settings.base import *  # noqa: F403

SECRET_KEY = environment.require_secret("SECRET_KEY")
# Those before this one: sessions, tokens and links that they signed are good until they end by themselves.
SECRET_KEY_FALLBACKS = environment.read_secrets("SECRET_KEY_FALLBACKS")
for _name in ("DATABASE_URL", "REDIS_URL", "DOMAIN", "EMAIL_URL"):
    environment.require(_name)
# On a network that others share, nothing between us and our services goes in the open; off, the network is trusted.
if environment.read_choice("TLS_BETWEEN_SERVICES", "off", choices=("off", "on")) == "on":
    environment.require_tls("DATABASE_URL", "REDIS_URL", "INFLUXDB_URL", "EMAIL_URL", "MQTT_URL")

PUBLIC_SCHEME = environment.read_choice("PUBLIC_SCHEME", "https", choices=("http", "https"))
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PUBLIC_SCHEME
# One proxy stands in front and says whom it speaks for; else all visitors would share its address and its limits.
ALLAUTH_TRUSTED_PROXY_COUNT = 1
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
# The prefix binds a cookie to the host that set it: no factory's host can set one for another's.
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
MESSAGE_COOKIE_NAME = "__Host-messages"
CSRF_COOKIE_SECURE = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LOGGING = logging_config(json=True)

"""Settings that hold everywhere. What differs is in dev, test and production."""

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ

from factorypulse import environment
from factorypulse.logs import logging_config
from factorypulse.settings import unfold

BASE_DIR = Path(__file__).resolve().parent.parent.parent
STATE_DIR = Path(environment.read("STATE_DIR", str(BASE_DIR / ".factorypulse")))

# Where the product answers: the public site at DOMAIN, a factory at <slug>.DOMAIN. With the port, without the scheme.
DOMAIN = environment.read("DOMAIN", "localhost:8000")
DOMAIN_HOST = DOMAIN.partition(":")[0]
PUBLIC_SCHEME = environment.read_choice("PUBLIC_SCHEME", "http", choices=("http", "https"))
MQTT_PUBLIC_PORT = int(environment.read("MQTT_PUBLIC_PORT", "1883"))
# A broker that the ingest process subscribes to; it refuses to start when this is no address.
MQTT_URL = environment.read("MQTT_URL", "")

# The trial shows its mailbox as a page and may print passwords; production never sets it.
TRIAL = False
DEBUG = False

ALLOWED_HOSTS = [DOMAIN_HOST, f".{DOMAIN_HOST}"]
ROOT_URLCONF = "factorypulse.urls_factory"
PUBLIC_SCHEMA_URLCONF = "factorypulse.urls_public"
ASGI_APPLICATION = "factorypulse.asgi.application"
WSGI_APPLICATION = "factorypulse.wsgi.application"

# Users, sessions and permissions stand in each factory's schema; the public schema has its own for platform staff.
_IN_EVERY_SCHEMA = [
    "accounts.admin_config.FactoryAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "accounts",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "rest_framework_simplejwt.token_blacklist",
]
SHARED_APPS = [
    # Before django_tenants, which brings admin templates too. Without its default config: the site is ours, see
    # accounts.admin_site.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.import_export",
    "import_export",
    "django_tenants",
    "tenants",
    *_IN_EVERY_SCHEMA,
    "django.contrib.staticfiles",
    # allauth's page of passkeys says “2 hours ago” by it.
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_structlog",
    "factorypulse",
]
TENANT_APPS = [*_IN_EVERY_SCHEMA, "telemetry", "anomalies", "reports"]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]
TENANT_MODEL = "tenants.Factory"
TENANT_DOMAIN_MODEL = "tenants.Domain"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "factorypulse.request_log.RequestLogMiddleware",
    "factorypulse.prometheus.PrometheusMiddleware",
    "tenants.middleware.FactoryMiddleware",
    "tenants.https_only.HttpsOnlyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "factorypulse.device_doors.DeviceDoorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "accounts.not_kept.NotKeptMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.language.PersonLanguageMiddleware",
    "factorypulse.offline.PersonHeaderMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.session_life.SessionLifeMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.ReachMiddleware",
    "accounts.middleware.SignInRequiredMiddleware",
    "accounts.wall_only.WallOnlyMiddleware",
    "accounts.support_visit.SupportVisitMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "factorypulse.api_errors.DomainErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "factorypulse.context_processors.product",
            ],
        },
    }
]

# --- data ---------------------------------------------------------------------------------------------------------

_env = environ.FileAwareEnv()
DATABASE_URL = environment.read("DATABASE_URL", "postgresql://factorypulse@127.0.0.1:5432/factorypulse")
DATABASES = {
    "default": {
        **_env.db_url_config(DATABASE_URL),
        "ENGINE": "tenants.database",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # ORM tests roll back by savepoints; requests say themselves where a transaction begins.
        "ATOMIC_REQUESTS": False,
    }
}
# Statements inside a factory run as its own database role, which the login makes: it needs CREATEROLE. Off where a
# database does not allow that; `check --deploy` warns then.
FACTORY_ROLES = environment.read_choice("FACTORY_ROLES", "on", choices=("on", "off")) == "on"
# A pooler between us and PostgreSQL is refused unless it is said to pool by session: one that pools by transaction
# mixes factories (`tenants.database.pooler`).
DATABASE_POOLER = environment.read_choice("DATABASE_POOLER", "none", choices=("none", "session"))
# The search path is set when the factory changes, not once more before every query.
TENANT_LIMIT_SET_CALLS = True
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
REDIS_URL = environment.read("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 closes idle sockets after 5 s unless told not to (channels_redis issue 422).
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
    }
}

READING_STORE = environment.read_choice("READING_STORE", "postgres", choices=("postgres", "influxdb"))
INFLUXDB_URL = environment.read("INFLUXDB_URL", "")
INFLUXDB_TOKEN = environment.read("INFLUXDB_TOKEN", "")
INFLUXDB_ORG = environment.read("INFLUXDB_ORG", "")
# Without a token nobody may read the node's figures, and no process writes them down.
METRICS_TOKEN = environment.read("METRICS_TOKEN", "")
FIGURES_DIR = STATE_DIR / "figures"
# Files people add. Nothing here has an address of its own: a view asks who wants it, each time.
MEDIA_ROOT = STATE_DIR / "files"
FILE_UPLOAD_PERMISSIONS = 0o600
# ClamAV's clamd, asked about each file before it is kept: tcp://host:3310 or unix:///run/clamav/clamd.ctl
CLAMD_URL = environment.read("CLAMD_URL", "")
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
JOURNAL_DIR = Path(environment.read("JOURNAL_DIR", str(STATE_DIR / "journal")))

# --- people -------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    # First, so that a locked account's password is not even looked at.
    "accounts.lockout.LockoutBackend",
    "accounts.permissions.RoleBackend",
    "accounts.wall_links.WallLinkBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "accounts.common_passwords.CommonStemValidator"},
    {"NAME": "accounts.password_words.ContextWordsValidator"},
    {"NAME": "accounts.breached_passwords.BreachedPasswordValidator"},
]
# A downloaded list, and the address of a range service such as https://api.pwnedpasswords.com/range/
BREACHED_PASSWORDS_LIST = environment.read_path("BREACHED_PASSWORDS_LIST")
BREACHED_PASSWORDS_URL = environment.read("BREACHED_PASSWORDS_URL", "")
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# A signed link names only a row's id, and ids repeat in every factory; a random key stands in one schema alone.
ACCOUNT_EMAIL_CONFIRMATION_HMAC = False
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 2
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_LOGIN_TIMEOUT = 60 * 60
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Whoever finds an open browser changes neither address nor second factor without the password.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PUBLIC_SCHEME
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ADAPTER = "accounts.second_factor.SecondFactorAdapter"
MFA_FORMS = {"add_webauthn": "accounts.second_factor.PasskeyForm"}
# Of platform staff; each may set one up, and here all have to.
STAFF_SECOND_FACTOR = environment.read_choice("STAFF_SECOND_FACTOR", "no", choices=("no", "yes")) == "yes"
# Noted by `accounts.session_life`, which tells a person from a page that asks by itself.
USERSESSIONS_TRACK_ACTIVITY = False
# Ten wrong passwords shut an account for a quarter of an hour, whether or not there is such an account; every failure
# is kept with its address. Addresses that try many accounts are slowed down by allauth and `accounts.attempts`.
AXES_HANDLER = "accounts.lockout.LockoutHandler"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_USERNAME_CALLABLE = "accounts.lockout.account_named"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.address_of"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_VERBOSE = False
# W006 asks to lock addresses too. A plant stands behind one: a colleague's ten typos would shut everybody out.
SILENCED_SYSTEM_CHECKS = ["axes.W006"]
# A plant's own identity provider signs in people who are here already, by the address that it has confirmed.
SOCIALACCOUNT_ADAPTER = "accounts.identity.IdentityAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_STORE_TOKENS = False
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "factorypulse.message_cookie.MessageStorage"
MESSAGE_COOKIE_NAME = "messages"
CSRF_FAILURE_VIEW = "factorypulse.api_errors.csrf_failure"

# --- API ----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "accounts.authentication.FactoryJWTAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.DenyByDefault"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["factorypulse.json_parser.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "factorypulse.api_errors.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "FactoryPulse API",
    "DESCRIPTION": "Readings in, live state, alerts and reports out. Every factory sees itself alone.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_URLCONF": "factorypulse.urls_api",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "telemetry.ingest.line_door_shapes.influx_doors_describe",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SingleActionEnum": "accounts.actions.SINGLE_ACTIONS",
        "AlertStateEnum": "anomalies.models.AlertState",
        "SeverityEnum": "anomalies.models.Severity",
        "TargetKindEnum": "anomalies.models.TargetKind",
        "ReportStateEnum": "reports.models.ReportState",
    },
}

# --- tasks --------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
if REDIS_URL.startswith("rediss://"):
    # Celery wants it said; the others verify by themselves.
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A new connection is a new server process that knows nothing yet: dearer than most tasks. Each thread keeps its own for
# this many tasks; `factorypulse.celery` looks before each whether it still works.
CELERY_DB_REUSE_MAX = 2_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "celerybeat-schedule")
# Each entry is a fan-out task of an app, which enqueues one task a factory.
_EVERY_S = {
    "anomalies.tasks.train_due": 15.0,
    "anomalies.tasks.watch_silence": 15.0,
    "anomalies.tasks.tend_alerts": 10.0,
    "anomalies.tasks.drain_outbox": 10.0,
    "anomalies.tasks.trim_outbox": 3600.0,
    "reports.tasks.make_due": 60.0,
    "tenants.tasks.delete_due_factories": 60.0,
    "accounts.tasks.tend_doors": 60.0,
    "accounts.tasks.tend_errands": 60.0,
    "accounts.tasks.tend_exports": 900.0,
    "accounts.tasks.trim_sign_ins": 3600.0,
    "telemetry.tasks.apply_retention": 3600.0,
    "telemetry.tasks.review_metrics": 60.0,
    "telemetry.tasks.trim_quarantine": 3600.0,
    "telemetry.tasks.compact_readings": 10.0,
}
CELERY_BEAT_SCHEDULE = {
    # What waited longer than its turn is dropped: the next does the same, and a day without workers piles up nothing.
    task: {"task": task, "schedule": every_s, "options": {"expires": every_s}}
    for task, every_s in _EVERY_S.items()
}

# --- mail, words, files -------------------------------------------------------------------------------------------

EMAIL_CONFIG = _env.email_url_config(environment.read("EMAIL_URL", "smtp://localhost:25"))
vars().update(EMAIL_CONFIG)
# A mail server that hangs must not hold a worker's thread.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.read("FROM_EMAIL", f"FactoryPulse <no-reply@{DOMAIN_HOST}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- notifications ------------------------------------------------------------------------------------------------

# Plants' own servers that webhooks may reach, as named ranges; everything else that is private is refused.
WEBHOOK_PRIVATE_RANGES = environment.read_networks("WEBHOOK_PRIVATE_RANGES")
WEBHOOK_HTTP = environment.read_choice("WEBHOOK_HTTP", "no", choices=("no", "yes")) == "yes"
TWILIO_ACCOUNT_SID = environment.read("TWILIO_ACCOUNT_SID", "")
TWILIO_AUTH_TOKEN = environment.read("TWILIO_AUTH_TOKEN", "")
# A number (+1…) or the SID of a messaging service (MG…); without one, that channel is off.
TWILIO_FROM = environment.read("TWILIO_FROM", "")
TWILIO_WHATSAPP_FROM = environment.read("TWILIO_WHATSAPP_FROM", "")
TWILIO_API_URL = environment.read("TWILIO_API_URL", "")
PHONE_MESSAGES_A_DAY = int(environment.read("PHONE_MESSAGES_A_DAY", "30"))
# Without it a key is made once and kept in STATE_DIR; nodes that send push must share one.
VAPID_PRIVATE_KEY = environment.read("VAPID_PRIVATE_KEY", "")

# A file that is looked at before it counts waits in the factory's own cache, not in a folder that all share.
IMPORT_EXPORT_TMP_STORAGE_CLASS = "import_export.tmp_storages.CacheStorage"
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
IMPORT_EXPORT_USE_TRANSACTIONS = True
UNFOLD = unfold.UNFOLD
UNFOLD_STAFF = unfold.UNFOLD_STAFF

LANGUAGE_CODE = "en"
# English stands in the source; each other language is complete, which tests/words keeps true.
LANGUAGES = [("en", "English"), ("de", "German")]
LOCALE_PATHS = [BASE_DIR / "locale"]
# Times with their zone, days before months: see factorypulse/formats/en/formats.py.
FORMAT_MODULE_PATH = ["factorypulse.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT: Path | None = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]

# --- security -----------------------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "object-src": ["'none'"],
    },
}

LOGGING = logging_config(json=False)

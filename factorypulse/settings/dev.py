"""The one-command trial: services that `make demo` started, found by the file it leaves beside them."""

import json
import os
from pathlib import Path

# `make demo` writes the addresses of its services here; management commands run beside it find them by this file.
_state_dir = Path(os.environ.get("STATE_DIR") or Path(__file__).resolve().parent.parent.parent / ".factorypulse")
_services = _state_dir / "environment.json"
if _services.exists():
    for _name, _value in json.loads(_services.read_text(encoding="utf-8")).items():
        os.environ.setdefault(_name, _value)

from factorypulse import environment  # noqa: E402
from factorypulse.settings.base import *  # noqa: E402, F403  # the environment must stand first

TRIAL = True
SECRET_KEY = environment.read("SECRET_KEY", "development-only-" + "0123456789abcdef" * 4)
MAILBOX_DIR = _state_dir / "mailbox"
# Mail goes into a folder that the trial shows as a page, unless somebody wants it sent.
if not environment.read("EMAIL_URL"):
    EMAIL_BACKEND = "factorypulse.dev.mailbox.MailboxBackend"
# Static files come from where they lie: there is no collectstatic in the trial.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
# Browsers allow passkeys over http on localhost alone.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True

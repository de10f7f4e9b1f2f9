"""What a factory's database role is called."""

import hashlib


def role_name(database: str, schema: str) -> str:
    """Roles are the whole server's, and two databases on it may both have the schema.

    >>> role_name("factorypulse", "f_north_mill")
    'f_north_mill_1121846c'
    """
    return f"{schema}_{hashlib.sha256(database.encode()).hexdigest()[:8]}"

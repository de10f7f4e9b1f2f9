"""The database backend: django-tenants', with a wall behind its wall (see `base`)."""

"""Puts the factory's own site behind `django.contrib.admin`; apart from the site, which needs loaded models."""

from django.contrib.admin.apps import AdminConfig


class FactoryAdminConfig(AdminConfig):
    """`django.contrib.admin` with `accounts.admin_site.FactoryAdminSite` as its default site."""

    default_site = "accounts.admin_site.FactoryAdminSite"

"""The public site: landing, plans, sign-up."""

from django.urls import path

from accounts import public

urlpatterns = [
    path("", public.landing, name="landing"),
    path("plans", public.plans, name="plans"),
    path("signup", public.signup, name="signup"),
    path("find", public.find_factory, name="find_factory"),
    path("signup/address", public.signup_address, name="signup_address"),
]

"""`manage.py simulate`: the synthetic plant against a running installation, with a key of its own."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from factorypulse.dev.plant.__main__ import add_arguments, options_from, state_file_for
from factorypulse.dev.plant.run import run_plant
from factorypulse.management.sender import sender_arguments, sender_config, stop_on_signals


class Command(BaseCommand):
    help = "Runs a synthetic food line of 8 machines that reports over HTTP and MQTT like any device."

    def add_arguments(self, parser: CommandParser) -> None:
        # The trial's own, so that the bare command does something there; elsewhere it says that there is none.
        sender_arguments(parser, factory="demo")
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        config, config_file = sender_config(options, name="simulator", key_name="Plant simulator")
        run_plant(config, state_file=state_file_for(config_file), stop=stop_on_signals(), options=options_from(options))

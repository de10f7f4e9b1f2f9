"""`make demo`: the whole product on one machine, in the foreground."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from factorypulse.dev.children import ROOT, plant, programs
from factorypulse.dev.console import Console, LogFile
from factorypulse.dev.errors import TrialError
from factorypulse.dev.ports import port_is_free
from factorypulse.dev.processes import die_with_parent
from factorypulse.dev.services import Services
from factorypulse.dev.state import StateFolder
from factorypulse.dev.supervisor import StopRequestedError, Supervisor, who_listens

FACTORY = "demo"
_STORE = ("READING_STORE", "INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG")
_FOR_ALL = {
    "DJANGO_SETTINGS_MODULE": "factorypulse.settings.dev",
    "PYTHONUNBUFFERED": "1",
    # Two cores and one machine: more threads and memory pools would only cost memory.
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Root in a container is an expected way to run the trial.
    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
}


def main() -> int:
    """Start, stay, stop. Returns the exit code."""
    arguments = _arguments()
    if arguments.stop_with_parent:
        die_with_parent(signal.SIGTERM)
    os.umask(0o077)  # logs, mail, the journal: everything in the state folder is its owner's alone
    console = Console()
    try:
        _run(arguments, console)
    except TrialError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except StopRequestedError:
        pass
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=_port, default=os.environ.get("PORT", "8000"))
    parser.add_argument("--mqtt-port", type=_port, default=os.environ.get("MQTT_PORT", "1883"))
    parser.add_argument("--simulator", choices=("on", "off"), default=os.environ.get("SIMULATOR", "on"))
    parser.add_argument("--stop-with-parent", action="store_true", help="end when the process that started us ends")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, console: Console) -> None:
    began = time.monotonic()
    state = StateFolder(Path(os.environ.get("STATE_DIR") or ROOT / ".factorypulse"))
    state.open()
    for log in state.logs.glob("*.log"):
        LogFile(log).keep_small()
    _check_ports(arguments.port, arguments.mqtt_port)
    domain = f"localhost:{arguments.port}"
    state.announce(f"http://{domain}")
    supervisor = Supervisor(state=state, services=Services(state.root, state.service_choices()), console=console)
    supervisor.listen_to_signals()
    try:
        console.say("Starting PostgreSQL and Valkey")
        supervisor.services.start()
        env = _environment(state, supervisor.services, domain=domain, mqtt_port=arguments.mqtt_port)
        console.say("Preparing the database and the factory “demo”")
        web, *others = programs(port=arguments.port, mqtt_port=arguments.mqtt_port)
        # Web needs seconds to load and no table before it is asked something: it loads on the other core meanwhile.
        supervisor.launch(web, env=env)
        equipment = ["--equipment"] if arguments.simulator == "on" else []
        supervisor.run_once("prepare", ["manage.py", "trial_prepare", *equipment], env)
        console.say("Starting web, ingest, drain, worker and scheduler")
        supervisor.launch(*others, env=env)
        hosts = [domain, f"{FACTORY}.{domain}"]
        supervisor.wait_ready(port=arguments.port, mqtt_port=arguments.mqtt_port, hosts=hosts)
        if arguments.simulator == "on":
            supervisor.launch(plant(state.plant_file), env=env)
        _welcome(console, state, domain=domain, mqtt_port=arguments.mqtt_port, seconds=time.monotonic() - began)
        supervisor.watch()
    finally:
        console.say("\nStopping")
        supervisor.stop()
        state.environment_file.unlink(missing_ok=True)


def _port(text: str) -> int:
    """Raises argparse's own error, which is a sentence and no traceback."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"“{text}” is no port: 1 to 65535")
    return number


def _check_ports(port: int, mqtt_port: int) -> None:
    for taken, what in ((port, "web"), (mqtt_port, "MQTT")):
        if not port_is_free(taken):
            raise TrialError(
                f"Port {taken}, for {what}, is taken by another program{who_listens(taken)}.\n"
                f"Stop that program, or choose other ports: make demo PORT={port + 10} MQTT_PORT={mqtt_port + 1}"
            )


def _environment(state: StateFolder, services: Services, *, domain: str, mqtt_port: int) -> dict[str, str]:
    """The environment of our processes; also left in the state folder, where `manage.py` finds it."""
    found = {
        "DATABASE_URL": services.postgres.url,
        "REDIS_URL": services.valkey.url(),
        "DOMAIN": domain,
        "MQTT_PUBLIC_PORT": str(mqtt_port),
        "SECRET_KEY": state.secret_key(),
        # Of the shell that started us; that of a command beside us may not know where readings are.
        **{name: os.environ[name] for name in _STORE if name in os.environ},
    }
    state.write_private(state.environment_file, found)
    return {**os.environ, **_FOR_ALL, **found, "STATE_DIR": str(state.root)}


def _welcome(console: Console, state: StateFolder, *, domain: str, mqtt_port: int, seconds: float) -> None:
    owner = json.loads(state.owner_file.read_text(encoding="utf-8"))
    plant = f"http://{FACTORY}.{domain}"
    rows = {
        "The plant": plant,
        "  sign in as": owner["email"],
        "  password": owner["password"] or "the one you chose since",
        "Public site": f"http://{domain}            sign up for a factory of your own",
        "Mailbox": f"http://{domain}/mailbox/   the mail that FactoryPulse sends",
        "API": f"http://{domain}/api/docs",
        "MQTT": f"localhost:{mqtt_port}",
        "Logs": str(state.logs.relative_to(ROOT) if state.logs.is_relative_to(ROOT) else state.logs),
    }
    console.say()
    for name, value in rows.items():
        console.say(f"  {name:<14}{value}")
    console.say(f"\n  Started in {seconds:.1f} s. Ctrl-C stops everything.\n")
    console.say(f"FactoryPulse is ready: {plant}")


if __name__ == "__main__":
    sys.exit(main())

"""The address of a plant's broker, as `MQTT_URL` has it."""

import pytest
from django.core.management import CommandError, call_command

from telemetry.ingest.broker_address import BrokerAddress, BrokerAddressError, broker_address
from telemetry.management.commands import ingest


def test_without_an_address_there_is_no_subscriber(settings):
    settings.MQTT_URL = ""
    assert ingest._broker() is None


def test_the_address_says_everything_about_the_broker():
    assert broker_address("mqtt://plant.example:1884") == BrokerAddress("plant.example", 1884)
    assert broker_address("mqtt://plant.example?share=pulse").share == "pulse"
    assert broker_address("mqtts://me:p%40s%2Fs@[::1]/") == BrokerAddress("::1", 8883, True, "me", "p@s/s")
    assert "secret" not in repr(broker_address("mqtt://me:secret@plant.example"))


@pytest.mark.parametrize(
    "url",
    [
        "plant.example:1883",
        "http://plant.example",
        "mqtt://",
        "mqtt://plant.example:port",
        "mqtt://plant.example:70000",
        "mqtt://plant.example:0",
        "mqtt://plant.example/topic",
        "mqtt://plant.example?share=",
        "mqtt://plant.example?share=a/b",
        "mqtt://plant.example?clean=1",
        "mqtt://:hushhush@plant.example",
        "mqtt://me:hush/hush@plant.example",
        "mqtt://[plant",
    ],
)
def test_what_is_no_address_stops_the_start_with_a_sentence(url, settings):
    with pytest.raises(BrokerAddressError):
        broker_address(url)
    settings.MQTT_URL = url
    with pytest.raises(CommandError, match=r"^MQTT_URL is not mqtt://.*: .+\.$") as refused:
        call_command("ingest", "--mqtt-port", "0")
    assert "hush" not in str(refused.value)

#!/bin/sh
# Makes the password file from the secret at each start, so that no password stands in a file of the repository.
# Devices get users of their own by: mosquitto_passwd /mosquitto/data/passwords <factory>
set -eu
cd /mosquitto/data
touch passwords
chmod 0600 passwords
mosquitto_passwd -b passwords factorypulse "$(cat /run/secrets/mosquitto_password)"
cat > acl <<'ACL'
user factorypulse
topic read factories/#
topic read $SYS/broker/uptime
topic read $SYS/broker/publish/messages/dropped
# A device's user is its factory's name and reaches that factory's topics alone.
pattern write factories/%u/devices/+/telemetry
ACL
chmod 0600 acl
chown mosquitto:mosquitto passwords acl
exec mosquitto -c /mosquitto/config/mosquitto.conf

// mqtt.js as a device: publishes {"metrics": {"n": 0..count-1}} with QoS 1 and ends when all are acknowledged.
import process from "node:process";
import mqtt from "mqtt";

const { url, version, topic, count, ca, clean } = JSON.parse(process.argv[2]);
const client = mqtt.connect(url, {
  protocolVersion: version,
  clientId: "mqttjs",
  username: "mill",
  password: "key",
  clean,
  reconnectPeriod: 50,
  ca: ca ? [ca] : undefined,
});
client.on("error", (error) => process.stderr.write(`${error}\n`));
let left = count;
for (let n = 0; n < count; n += 1) {
  client.publish(topic, JSON.stringify({ metrics: { n } }), { qos: 1 }, (error) => {
    if (error) process.exit(1);
    left -= 1;
    if (left === 0) client.end(false, {}, () => process.exit(0));
  });
}

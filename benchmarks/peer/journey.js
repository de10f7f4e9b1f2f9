// The function node: a reading from MQTT, a tick of the clock, or InfluxDB's answer.
const journey = context.get("journey");
if (msg.tick === true) return journey.tick();
if (msg.statusCode !== undefined) journey.written(msg.statusCode);
else journey.take(msg.topic, msg.payload);
return null;

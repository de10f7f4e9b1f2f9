"""What names of metrics are made of: units as typed, and words for what is measured. Pure but for the kinds' names.

Words stand without accents, as `inference` folds them: English, German, Polish, French, Italian and Spanish.
"""

from telemetry.models import MetricKind as Kind

# A unit's sign as names spell it -> how it is shown, and the kinds it can mean (first: what it means alone).
UNITS: dict[str, tuple[str, tuple[str, ...]]] = {
    "c": ("°C", (Kind.TEMPERATURE,)),
    "degc": ("°C", (Kind.TEMPERATURE,)),
    "°c": ("°C", (Kind.TEMPERATURE,)),
    "celsius": ("°C", (Kind.TEMPERATURE,)),
    "f": ("°F", (Kind.TEMPERATURE,)),
    "degf": ("°F", (Kind.TEMPERATURE,)),
    "k": ("K", (Kind.TEMPERATURE,)),
    "mm_s": ("mm/s", (Kind.VIBRATION, Kind.SPEED)),
    "mms": ("mm/s", (Kind.VIBRATION, Kind.SPEED)),
    "g": ("g", (Kind.VIBRATION,)),
    "m_s2": ("m/s²", (Kind.VIBRATION,)),
    "um": ("µm", (Kind.VIBRATION,)),
    "a": ("A", (Kind.CURRENT,)),
    "ma": ("mA", (Kind.CURRENT,)),
    "amp": ("A", (Kind.CURRENT,)),
    "amps": ("A", (Kind.CURRENT,)),
    "ampere": ("A", (Kind.CURRENT,)),
    "w": ("W", (Kind.POWER,)),
    "kw": ("kW", (Kind.POWER,)),
    "mw": ("MW", (Kind.POWER,)),
    "kva": ("kVA", (Kind.POWER,)),
    "wh": ("Wh", (Kind.COUNTER,)),
    "kwh": ("kWh", (Kind.COUNTER,)),
    "mwh": ("MWh", (Kind.COUNTER,)),
    "v": ("V", (Kind.OTHER,)),
    "hz": ("Hz", (Kind.OTHER, Kind.SPEED)),
    "bar": ("bar", (Kind.PRESSURE,)),
    "mbar": ("mbar", (Kind.PRESSURE,)),
    "pa": ("Pa", (Kind.PRESSURE,)),
    "kpa": ("kPa", (Kind.PRESSURE,)),
    "mpa": ("MPa", (Kind.PRESSURE,)),
    "psi": ("psi", (Kind.PRESSURE,)),
    "rpm": ("rpm", (Kind.SPEED,)),
    "m_s": ("m/s", (Kind.SPEED,)),
    "m_min": ("m/min", (Kind.SPEED,)),
    "l_min": ("l/min", (Kind.FLOW,)),
    "lpm": ("l/min", (Kind.FLOW,)),
    "l_h": ("l/h", (Kind.FLOW,)),
    "l_s": ("l/s", (Kind.FLOW,)),
    "m3_h": ("m³/h", (Kind.FLOW,)),
    "m3h": ("m³/h", (Kind.FLOW,)),
    "kg_h": ("kg/h", (Kind.FLOW,)),
    "pct": ("%", (Kind.LEVEL, Kind.HUMIDITY, Kind.SPEED, Kind.POWER, Kind.FLOW, Kind.STATE)),
    "percent": ("%", (Kind.LEVEL, Kind.HUMIDITY, Kind.SPEED, Kind.POWER, Kind.FLOW, Kind.STATE)),
    "%": ("%", (Kind.LEVEL, Kind.HUMIDITY, Kind.SPEED, Kind.POWER, Kind.FLOW, Kind.STATE)),
    "mm": ("mm", (Kind.LEVEL, Kind.VIBRATION)),
    "cm": ("cm", (Kind.LEVEL,)),
    "m": ("m", (Kind.LEVEL,)),
    "l": ("l", (Kind.LEVEL,)),
    "kg": ("kg", (Kind.LEVEL, Kind.COUNTER)),
    "u_min": ("rpm", (Kind.SPEED,)),
    "1_min": ("rpm", (Kind.SPEED,)),
    "obr_min": ("rpm", (Kind.SPEED,)),
    "rh": ("%", (Kind.HUMIDITY,)),
    "szt": ("pcs", (Kind.COUNTER,)),
    "stk": ("pcs", (Kind.COUNTER,)),
    "pcs": ("pcs", (Kind.COUNTER,)),
}

_SPOKEN: dict[tuple[str, str], str] = {
    (
        Kind.TEMPERATURE,
        "°C",
    ): "temperature temp temperatur temperatura thermocouple thermistor thermoelement pt100 pt1000 rtd",
    (Kind.VIBRATION, "mm/s"): "vibration vib vrms schwingung wibracje drgania vibrazione vibracion",
    # No velocity: in mm/s its zones would mean nothing.
    (Kind.VIBRATION, "g"): "accel acceleration accelerometer beschleunigung przyspieszenie accelerazione aceleracion",
    (Kind.CURRENT, "A"): "current amperage strom prad natezenie courant corrente corriente",
    (Kind.POWER, "kW"): "power leistung moc load puissance potenza potencia",
    (Kind.PRESSURE, "bar"): "pressure press druck cisnienie pression pressione presion",
    (Kind.FLOW, "l/min"): "flow flowrate durchfluss volumenstrom przeplyw debit portata caudal",
    (Kind.SPEED, "rpm"): "speed rpm velocity drehzahl obroty predkosc geschwindigkeit vitesse velocita velocidad",
    (Kind.LEVEL, "%"): "level fill fullstand fuellstand poziom niveau livello nivel",
    (Kind.HUMIDITY, "%"): "humidity rh moisture feuchte feuchtigkeit wilgotnosc humidite umidita humedad",
    (
        Kind.COUNTER,
        "",
    ): "count counter total cycles pieces units energy parts rejects zahler zaehler stuckzahl"
    " stueckzahl energie licznik sztuki energia compteur contatore contador",
    (Kind.STATE, ""): "state status running run mode alarm fault enabled open on zustand betrieb stan praca etat stato"
    " estado",
    (Kind.OTHER, "V"): "voltage spannung napiecie tension",
}
# A word in the name -> its kind, and the unit it most often has.
WORDS: dict[str, tuple[str, str]] = {word: meant for meant, words in _SPOKEN.items() for word in words.split()}

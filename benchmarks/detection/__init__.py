"""The product's detectors over public data sets: `python -m benchmarks.detection SET --inputs PATH --out FILE`."""

"""A synthetic food line: eight machines whose readings are a pure function of absolute time.

Physics: noise, signals, fault, process, utilities, line (numpy alone). Posting: delivery, devices, backfill, run.
"""

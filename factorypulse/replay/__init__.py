"""Streams recorded tables as if their machines were reporting now."""

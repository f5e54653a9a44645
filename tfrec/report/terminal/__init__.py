"""Writes what the commands on customers, campaigns and experiments print."""

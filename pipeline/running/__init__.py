"""Processes, threads and ports of an instance: nothing here knows of archives."""

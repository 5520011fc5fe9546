"""Headrace: bulk ingest, preservation and publication of research data."""

__version__ = "0.1.0"

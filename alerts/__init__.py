"""Notifiers: how an incident event reaches people."""

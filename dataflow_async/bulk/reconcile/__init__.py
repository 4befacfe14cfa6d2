"""Finds out what became of launches whose answer was lost, from the lists of the service."""

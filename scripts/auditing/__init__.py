"""Telling people what became of everything that starts runs, and what was made up for."""

"""The results of a run: listed, passed on part after part, or downloaded."""

"""The terminal: lines, sizes and errors for people; how runs are drawn, and followed."""

"""Ways to start a function: AWS Lambda, or a pool of processes on this machine."""

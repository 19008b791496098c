"""What the functions of a run have logged, from CloudWatch or the local engine's files, as one log in order of time."""

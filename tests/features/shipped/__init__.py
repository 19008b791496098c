"""The jobs of jobs/, each against an oracle: inputs in `inputs`, right answers in `oracles`."""

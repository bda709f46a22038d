"""The cloud on one machine, for demo, tests and benchmarks. Never deployed."""

"""Commands for developers: the demos and the local cloud. Only these need `local/`."""

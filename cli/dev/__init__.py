"""Commands that run the local cloud; nothing else of the command line needs `local`."""

"""Pause and resume: all pulling in the whole tenant."""

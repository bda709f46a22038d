"""Runs function_app.py as the Functions host does."""

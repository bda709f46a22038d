"""Alert sources: one file each."""

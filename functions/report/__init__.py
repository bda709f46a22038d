"""Activity with its hash chain, exposure, exports."""

"""What developers and releases run: the package, the evaluated deployment, the grants that follow from it."""

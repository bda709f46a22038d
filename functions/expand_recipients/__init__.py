"""From addresses to targets: groups, aliases, forwards, replies; freezes the plan."""

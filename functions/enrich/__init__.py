"""Who the recipients are, what the alert indicates, how urgent it is, what policy says."""

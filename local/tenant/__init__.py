"""People, groups, mailboxes and scenarios to fill the local Graph with."""

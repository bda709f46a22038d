"""What people say about the whole tenant: pause and resume."""

"""What `clawback doctor` asks of the apps."""

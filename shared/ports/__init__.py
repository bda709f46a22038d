"""What the stages need from the outside world, as Protocols."""

"""What every HTTP function needs: problem details, sign-in, command bodies, ids in paths."""

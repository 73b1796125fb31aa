"""Data into weights: losses, optimizer, the one loop, the stages of an upbringing."""

"""What the commands of run.py do. All but `store` need the standard library only."""

"""What launch.py does before packages are installed; standard library only."""

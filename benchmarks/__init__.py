"""Speed and memory, measured: every module is a program that prints its numbers."""

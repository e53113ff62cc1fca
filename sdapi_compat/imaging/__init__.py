"""Pixels: reading, resizing, masking, compositing, tiling, naming and saving pictures. No torch here."""

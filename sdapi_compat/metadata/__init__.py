"""Generation parameters as text ("infotext"), and image files that carry them."""

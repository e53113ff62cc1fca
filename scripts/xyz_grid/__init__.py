"""X/Y/Z plot: `script.py` is the script, `axes.py` what can vary, `values.py` how values are written."""

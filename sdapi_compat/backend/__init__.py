"""Everything that touches weights: checkpoint files, their loading, and the model behind the denoiser.

Modules named `registry*` (with `hashes`, `sniff`, `headers` and `pickle_outline`) list and describe files
without importing torch; the rest is used by the device thread only.
"""

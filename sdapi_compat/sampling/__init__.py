"""Samplers, sigma schedules, noise sources and guidance: the mathematics of sampling, without models.

A sampler is a generator: it asks for denoised latents (`ask.py`), somebody else answers, and its return
value is the final latents. `table` and `recipe` load without torch.
"""

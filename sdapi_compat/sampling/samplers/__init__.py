"""One generator per published sampling algorithm, in the symbols of its paper.

Noise levels are Python floats, so no step waits for the device. `i` counts steps, `sigma` and `sigma_next`
are the levels a step goes from and to, `denoised` is D(x, sigma).
"""

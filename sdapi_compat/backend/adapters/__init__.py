"""LoRA and its relatives as weight deltas, and hypernetworks as hooks on attention.

`switch.NetworkSwitch` is the door, `apply.AdapterSet` what stands behind it; every algorithm has a file of
its own. `wish` imports no torch.
"""

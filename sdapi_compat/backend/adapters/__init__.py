"""LoRA and its relatives as weight deltas, and hypernetworks as hooks on attention.

`apply.AdapterSet` is where to begin; every algorithm has a file of its own. `wish` imports no torch.
"""

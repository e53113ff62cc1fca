"""Command line: ``python -m sdapi_compat.embedded.train --stage text|vae|diffusion|renew|export --work DIR``.

The stages of :mod:`.companions` make more files from a finished model: ``--stage companions --work DIR``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .. import CHECKPOINT_DIR
from . import autoencoder, companions, diffusion, export, renewal, text
from .vocabulary import load_concepts

STAGES = ["text", "vae", "diffusion", "renew", "export", companions.ALL, *companions.STAGES]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sdapi_compat.embedded.train", description=__doc__)
    parser.add_argument("--stage", required=True, choices=STAGES)
    parser.add_argument("--work", required=True, type=Path, help="folder of checkpoints and logs")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of a text, vae or diffusion run")
    parser.add_argument("--batch", type=int, default=16, help="pictures in a step of a diffusion run")
    parser.add_argument("--other-share", type=float, default=0.2, help="share of batches not 512 x 512")
    parser.add_argument(
        "--planned",
        action="store_true",
        help="train the U-Net beside the text encoder, on the plans it learns",
    )
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate at the start of the run")
    parser.add_argument("--last-rate", type=float, default=1e-4, help="learning rate at the end of the run")
    parser.add_argument("--model", type=Path, default=CHECKPOINT_DIR, help="folder that companions belong to")
    parser.add_argument("--target", type=Path, default=CHECKPOINT_DIR, help="folder that export writes")
    return parser.parse_args()


def main() -> None:
    """Run one stage; vae and diffusion go on from what ``--work`` holds."""
    options = _arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)
    if options.stage == "export":
        export.export(options.work, options.target)
        return
    concepts = load_concepts()
    if options.stage in (companions.ALL, *companions.STAGES):
        for path in companions.make(options.stage, options.model, concepts, options.work):
            print(path, flush=True)
    elif options.stage == "text":
        text.train(concepts, options.work, options.minutes, options.rate, options.last_rate)
    elif options.stage == "renew":
        renewal.renew(options.work, concepts)
    elif options.stage == "vae":
        autoencoder.train(concepts, options.work, options.minutes)
    else:
        rates = options.rate, options.last_rate
        run = diffusion.Run(options.batch, options.minutes, *rates, options.other_share, options.planned)
        diffusion.train(concepts, options.work, run)


if __name__ == "__main__":
    main()

"""Flags about precision, devices and memory, and those of launch.py."""

from __future__ import annotations

from sdapi_compat.settings.flag import ATTENTION, FEATURE, WORKS, Flag, ignored

SDXL_MEMORY = ignored("only --medvram and --lowvram are there")
LOADING = ignored("the server chooses how files are loaded")
LAUNCHER = "works in launch.py, no effect afterwards"
DOWNLOADS = ignored("the server downloads nothing")

COMPUTE: tuple[Flag, ...] = (
    Flag("--no-half", "switch", False, "Compute in 32 bits.", WORKS),
    Flag("--no-half-vae", "switch", False, "Decode and encode pictures in 32 bits.", WORKS),
    Flag(
        "--tiled-vae-above",
        "integer",
        2048,
        "Decode and encode pictures with more pixels than a square of this side in tiles; 0: only those that "
        "memory does not suffice for.",
        WORKS,
        listed=False,
    ),
    Flag(
        "--precision",
        "text",
        "autocast",
        'Precision; "full" computes in 32 bits.',
        WORKS,
        choices=("full", "half", "autocast"),
    ),
    Flag(
        "--upcast-sampling",
        "switch",
        False,
        "Sample in 32 bits, compute in 16.",
        ignored("latents are sampled in 32 bits anyway"),
    ),
    Flag("--device-id", "text", None, "Number of the GPU.", WORKS),
    Flag("--use-cpu", "words", (), 'What to compute on the CPU: "all" or "sd" means the model.', WORKS),
    Flag("--use-ipex", "switch", False, "Compute on an Intel GPU.", FEATURE),
    Flag("--medvram", "switch", False, "Keep one part of the model at a time on the GPU.", WORKS),
    Flag("--medvram-sdxl", "switch", False, "--medvram for SDXL only.", SDXL_MEMORY),
    Flag("--lowvram", "switch", False, "Keep one layer at a time on the GPU; much slower.", WORKS),
    Flag("--lowram", "switch", False, "Load checkpoints straight to the GPU.", LOADING),
    Flag(
        "--xformers",
        "switch",
        False,
        "Attention of the xformers package; without it PyTorch's own, and a warning.",
        WORKS,
    ),
    Flag("--force-enable-xformers", "switch", False, "Attention: xformers, unchecked.", ATTENTION),
    Flag("--xformers-flash-attention", "switch", False, "Attention: xformers with flash.", ATTENTION),
    Flag("--opt-split-attention", "switch", False, "Attention: split.", ATTENTION),
    Flag("--opt-split-attention-invokeai", "switch", False, "Attention: split as InvokeAI does.", ATTENTION),
    Flag("--opt-split-attention-v1", "switch", False, "Attention: split, old version.", ATTENTION),
    Flag("--opt-sub-quad-attention", "switch", False, "Attention: sub-quadratic.", ATTENTION),
    Flag("--sub-quad-q-chunk-size", "integer", 1024, "Size of its query chunks.", ATTENTION),
    Flag("--sub-quad-kv-chunk-size", "integer", None, "Size of its key chunks.", ATTENTION),
    Flag("--sub-quad-chunk-threshold", "integer", None, "Memory share from which it splits.", ATTENTION),
    Flag("--opt-sdp-attention", "switch", False, "Attention: scaled dot product.", ATTENTION),
    Flag("--opt-sdp-no-mem-attention", "switch", False, "The same, deterministic kernels.", ATTENTION),
    Flag("--disable-opt-split-attention", "switch", False, "Attention: plain.", ATTENTION),
    Flag("--opt-channelslast", "switch", False, "Keep the UNet in channels-last memory layout.", WORKS),
    Flag("--disable-nan-check", "switch", False, "Do not look for NaN in results.", WORKS),
    Flag(
        "--disable-model-loading-ram-optimization",
        "switch",
        False,
        "Load models the plain way.",
        ignored("safetensors files are memory-mapped"),
    ),
    Flag(
        "--disable-safe-unpickle",
        "switch",
        False,
        "Allow code in .ckpt and .pt files.",
        ignored("the server never runs code from model files"),
    ),
    Flag("--no-hashing", "switch", False, "Do not compute SHA-256 of model files.", WORKS),
    Flag("--no-download-sd-model", "switch", False, "Do not download a checkpoint.", DOWNLOADS),
    Flag("--do-not-download-clip", "switch", False, "Do not download a text encoder.", DOWNLOADS),
)

LAUNCH: tuple[Flag, ...] = (
    Flag("--skip-prepare-environment", "switch", False, "Change nothing in the environment.", LAUNCHER),
    Flag("--skip-install", "switch", False, "Install no packages.", LAUNCHER),
    Flag("--skip-python-version-check", "switch", False, "Do not check the version of Python.", LAUNCHER),
    Flag("--skip-torch-cuda-test", "switch", False, "Do not check that the GPU works.", LAUNCHER),
    Flag("--skip-version-check", "switch", False, "Do not check versions of packages.", LAUNCHER),
    Flag("--reinstall-torch", "switch", False, "Install torch again.", LAUNCHER),
    Flag(
        "--reinstall-xformers",
        "switch",
        False,
        "Install xformers again.",
        LAUNCHER,
    ),
    Flag("--update-check", "switch", False, "Look for a new version.", LAUNCHER),
    Flag("--update-all-extensions", "switch", False, "Update extensions.", LAUNCHER),
    Flag("--test-server", "switch", False, "Settings for tests.", LAUNCHER),
    Flag("--dump-sysinfo", "switch", False, "Write a file about the system and exit.", LAUNCHER),
    Flag("--log-startup", "switch", False, "Print how long each part of the start takes.", LAUNCHER),
    Flag("--exit", "switch", False, "Exit when the environment is ready.", LAUNCHER, listed=False),
)

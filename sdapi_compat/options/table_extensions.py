"""Hidden options, and those that the original's built-in extensions add."""

from __future__ import annotations

from sdapi_compat.options.option import CONSOLE, INTERFACE, WORKS, Option, Section, no_effect, not_yet
from sdapi_compat.options.table_interface import NETWORKS
from sdapi_compat.options.table_model import COMPATIBILITY, SD
from sdapi_compat.options.table_system import NETWORK_UPSCALERS, UPSCALING

HIDDEN = Section(None, "Hidden options")
CANVAS = Section("canvas_hotkey", "Canvas Hotkeys")
IN_UI = Section("settings_in_ui", "Settings in UI")
HYPERTILE = Section("hypertile", "Hypertile")

TILES = not_yet("Hypertile")

HIDDEN_AND_LORA: tuple[Option, ...] = (
    Option("disabled_extensions", (), "Extensions not to load at start", HIDDEN, WORKS),
    Option("disable_all_extensions", "none", 'Load none at start: "extra" or "all"', HIDDEN, WORKS),
    Option("restore_config_state_file", "", "Saved state to go back to", HIDDEN, INTERFACE),
    Option(
        "sd_checkpoint_hash",
        "",
        "SHA-256 of the checkpoint in use",
        HIDDEN,
        no_effect("the server fills it in; it chooses nothing"),
    ),
    Option("sd_lora", "None", "LoRA for every prompt", NETWORKS, WORKS),
    Option("lora_preferred_name", "Alias from file", "Name of a LoRA in prompts", NETWORKS, INTERFACE),
    Option("lora_add_hashes_to_infotext", True, "Hashes of LoRAs in infotext", NETWORKS, WORKS),
    Option("lora_bundled_ti_to_infotext", True, "Embeddings inside a LoRA in infotext", NETWORKS, WORKS),
    Option("lora_show_all", False, "Show LoRAs of other model types", NETWORKS, INTERFACE),
    Option("lora_hide_unknown_for_versions", (), "Model types that hide unknown LoRAs", NETWORKS, INTERFACE),
    Option(
        "lora_in_memory_limit",
        0,
        "LoRAs kept in RAM",
        NETWORKS,
        WORKS,
    ),
    Option("lora_not_found_warning_console", False, "Print missing LoRAs", NETWORKS, CONSOLE),
    Option("lora_not_found_gradio_warning", False, "Show missing LoRAs", NETWORKS, INTERFACE),
    Option(
        "lora_functional",
        False,
        "LoRA: the old method that adds to activations",
        COMPATIBILITY,
        no_effect("LoRAs change the weights; pictures are the same but for rounding"),
    ),
)

CANVAS_AND_REST: tuple[Option, ...] = (
    Option("canvas_hotkey_zoom", "Alt", "Key: zoom", CANVAS, INTERFACE),
    Option("canvas_hotkey_adjust", "Ctrl", "Key: brush size", CANVAS, INTERFACE),
    Option("canvas_hotkey_shrink_brush", "Q", "Key: smaller brush", CANVAS, INTERFACE),
    Option("canvas_hotkey_grow_brush", "W", "Key: larger brush", CANVAS, INTERFACE),
    Option("canvas_hotkey_move", "F", "Key: move", CANVAS, INTERFACE),
    Option("canvas_hotkey_fullscreen", "S", "Key: full screen", CANVAS, INTERFACE),
    Option("canvas_hotkey_reset", "R", "Key: reset", CANVAS, INTERFACE),
    Option("canvas_hotkey_overlap", "O", "Key: overlap", CANVAS, INTERFACE),
    Option("canvas_show_tooltip", True, "Tooltip", CANVAS, INTERFACE),
    Option("canvas_auto_expand", True, "Expand pictures that do not fit", CANVAS, INTERFACE),
    Option("canvas_blur_prompt", False, "Canvas takes the focus from the prompt", CANVAS, INTERFACE),
    Option("canvas_disabled_functions", ("Overlap",), "Functions switched off", CANVAS, INTERFACE),
    Option(
        "settings_in_ui",
        "The options named here are shown on the txt2img and img2img tabs.",
        "",
        IN_UI,
        no_effect("a text, not a setting"),
        explanation=True,
    ),
    Option("extra_options_txt2img", (), 'Options that "Extra options" sets in txt2img', IN_UI, WORKS),
    Option("extra_options_img2img", (), 'Options that "Extra options" sets in img2img', IN_UI, WORKS),
    Option("extra_options_cols", 1, "Columns for them", IN_UI, INTERFACE),
    Option("extra_options_accordion", False, "Fold them", IN_UI, INTERFACE),
    Option("enable_prompt_comments", True, "Remove comments (# ...) from prompts", SD, WORKS),
    Option("ldsr_steps", 100, "LDSR: steps", UPSCALING, NETWORK_UPSCALERS),
    Option("ldsr_cached", False, "LDSR: keep the model in RAM", UPSCALING, NETWORK_UPSCALERS),
    Option("SCUNET_tile", 256, "ScuNET: tile size in pixels, 0: no tiles", UPSCALING, NETWORK_UPSCALERS),
    Option("SCUNET_tile_overlap", 8, "ScuNET: overlap of tiles in pixels", UPSCALING, NETWORK_UPSCALERS),
    Option("SWIN_tile", 192, "SwinIR: tile size in pixels, 0: no tiles", UPSCALING, NETWORK_UPSCALERS),
    Option("SWIN_tile_overlap", 8, "SwinIR: overlap of tiles in pixels", UPSCALING, NETWORK_UPSCALERS),
    Option("SWIN_torch_compile", False, "SwinIR: compile the model", UPSCALING, NETWORK_UPSCALERS),
    Option("hypertile_enable_unet", False, "Hypertile in the UNet", HYPERTILE, TILES, "Hypertile U-Net"),
    Option(
        "hypertile_enable_unet_secondpass", False, "Hypertile in the UNet of the hires pass", HYPERTILE, TILES
    ),
    Option("hypertile_max_depth_unet", 3, "UNet: deepest layer", HYPERTILE, TILES),
    Option("hypertile_max_tile_unet", 256, "UNet: largest tile", HYPERTILE, TILES),
    Option("hypertile_swap_size_unet", 3, "UNet: tile sizes to draw from", HYPERTILE, TILES),
    Option("hypertile_enable_vae", False, "Hypertile in the VAE", HYPERTILE, TILES, "Hypertile VAE"),
    Option("hypertile_max_depth_vae", 3, "VAE: deepest layer", HYPERTILE, TILES),
    Option("hypertile_max_tile_vae", 128, "VAE: largest tile", HYPERTILE, TILES),
    Option("hypertile_swap_size_vae", 3, "VAE: tile sizes to draw from", HYPERTILE, TILES),
)

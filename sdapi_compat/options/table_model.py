"""Options of the pages Stable Diffusion, SDXL, SD3, VAE, img2img, optimizations and compatibility."""

from __future__ import annotations

from sdapi_compat.options.option import INTERFACE, WORKS, Option, Section, no_effect, not_yet

SD = Section("sd", "Stable Diffusion")
SDXL = Section("sdxl", "Stable Diffusion XL")
SD3 = Section("sd3", "Stable Diffusion 3")
VAE = Section("vae", "VAE")
IMG2IMG = Section("img2img", "img2img")
OPTIMIZATIONS = Section("optimizations", "Optimizations")
COMPATIBILITY = Section("compatibility", "Compatibility")

CACHE = not_yet("sd_checkpoints_limit alone decides what stays loaded")
REFINER = not_yet("SDXL checkpoints do not load")
FP8 = not_yet("weights in 8 bits")

MODEL: tuple[Option, ...] = (
    Option("sd_model_checkpoint", None, "Checkpoint, by title, file name or hash", SD, WORKS, "Model hash"),
    Option("sd_checkpoints_limit", 1, "Checkpoints loaded at the same time", SD, WORKS),
    Option("sd_checkpoints_keep_in_cpu", True, "Keep only one model on the device", SD, CACHE),
    Option("sd_checkpoint_cache", 0, "Checkpoints kept in RAM", SD, CACHE),
    Option(
        "sd_unet",
        "Automatic",
        "UNet to use instead of the checkpoint's",
        SD,
        no_effect("only extensions of the original bring other UNets"),
    ),
    Option(
        "enable_quantization",
        False,
        "Round sampling times to the model's training steps",
        SD,
        WORKS,
    ),
    Option(
        "emphasis",
        "Original",
        'How (word:1.2) acts: "Original", "No norm", "Ignore", or "None": brackets are text',
        SD,
        WORKS,
        "Emphasis",
    ),
    Option(
        "enable_batch_seeds",
        True,
        "Same pictures in a batch as alone",
        SD,
        no_effect("unused in the original too; a picture never depends on its batch"),
    ),
    Option("comma_padding_backtrack", 20, "Tokens a chunk may give up to end at a comma", SD, WORKS),
    Option(
        "sdxl_clip_l_skip",
        False,
        "Let clip skip act on SDXL's first encoder",
        SD,
        not_yet("SDXL checkpoints do not load"),
    ),
    Option(
        "CLIP_stop_at_last_layers", 1, "Clip skip: use the n-th last layer, 1 to 12", SD, WORKS, "Clip skip"
    ),
    Option("upcast_attn", False, "Attention in float32", SD, not_yet("attention has the model's precision")),
    Option(
        "randn_source", "GPU", 'Noise from "GPU", "CPU" or "NV" (as an NVIDIA GPU, on any)', SD, WORKS, "RNG"
    ),
    Option("tiling", False, "Make pictures that can be laid like tiles", SD, WORKS, "Tiling"),
    Option(
        "hires_fix_refiner_pass", "second pass", "Pass that the refiner acts in", SD, WORKS, "Hires refiner"
    ),
    Option(
        "sdxl_crop_top", 0, "SDXL: crop told to the model, top", SDXL, not_yet("SDXL checkpoints do not load")
    ),
    Option(
        "sdxl_crop_left",
        0,
        "SDXL: crop told to the model, left",
        SDXL,
        not_yet("SDXL checkpoints do not load"),
    ),
    Option(
        "sdxl_refiner_low_aesthetic_score", 2.5, "SDXL refiner: score told for the negative", SDXL, REFINER
    ),
    Option(
        "sdxl_refiner_high_aesthetic_score", 6.0, "SDXL refiner: score told for the prompt", SDXL, REFINER
    ),
    Option("sd3_enable_t5", False, "SD3: use the T5 encoder", SD3, not_yet("Stable Diffusion 3")),
    Option(
        "sd_vae_explanation",
        "A VAE (variational autoencoder) turns RGB pictures into the small latent pictures that diffusion\n"
        "works on, and back. txt2img needs it to show the result; img2img also to read its input.",
        "",
        VAE,
        no_effect("a text, not a setting"),
        explanation=True,
    ),
    Option("sd_vae_checkpoint_cache", 0, "VAEs kept in RAM", VAE, CACHE),
    Option(
        "sd_vae", "Automatic", 'VAE file; "None": the one in the checkpoint, "Automatic"', VAE, WORKS, "VAE"
    ),
    Option("sd_vae_overrides_per_model_preferences", True, "The VAE chosen here goes first", VAE, WORKS),
    Option("auto_vae_precision_bfloat16", False, "Decode again in bfloat16 after NaN", VAE, WORKS),
    Option("auto_vae_precision", True, "Decode again in float32 after NaN", VAE, WORKS),
    Option("sd_vae_encode_method", "Full", 'Encoder: "Full" or "TAESD"', VAE, WORKS, "VAE Encoder"),
    Option("sd_vae_decode_method", "Full", 'Decoder: "Full" or "TAESD"', VAE, WORKS, "VAE Decoder"),
    Option(
        "inpainting_mask_weight",
        1.0,
        "Inpainting models: how much the masked part is hidden, 0 to 1",
        IMG2IMG,
        WORKS,
        "Conditional mask weight",
    ),
    Option(
        "initial_noise_multiplier", 1.0, "Factor of the starting noise", IMG2IMG, WORKS, "Noise multiplier"
    ),
    Option(
        "img2img_extra_noise", 0.0, "Noise added to img2img and hires inputs", IMG2IMG, WORKS, "Extra noise"
    ),
    Option("img2img_color_correction", False, "Give results the colours of the input", IMG2IMG, WORKS),
    Option("img2img_fix_steps", False, "Do exactly the asked number of steps", IMG2IMG, WORKS),
    Option("img2img_background_color", "#ffffff", "Colour for transparent parts of inputs", IMG2IMG, WORKS),
    Option("img2img_editor_height", 720, "Height of the editor", IMG2IMG, INTERFACE),
    Option("img2img_sketch_default_brush_color", "#ffffff", "Brush of sketch", IMG2IMG, INTERFACE),
    Option("img2img_inpaint_mask_brush_color", "#ffffff", "Brush of inpaint", IMG2IMG, INTERFACE),
    Option(
        "img2img_inpaint_sketch_default_brush_color", "#ffffff", "Brush of inpaint sketch", IMG2IMG, INTERFACE
    ),
    Option("return_mask", False, "Return the mask after each inpainted picture", IMG2IMG, WORKS),
    Option("return_mask_composite", False, "Return the inpainted part cut out by its mask", IMG2IMG, WORKS),
    Option("img2img_batch_show_results_limit", 32, "Batch tab: pictures to show", IMG2IMG, INTERFACE),
    Option("overlay_inpaint", True, "Lay the original over the parts outside the mask", IMG2IMG, WORKS),
)

TUNING: tuple[Option, ...] = (
    Option(
        "cross_attention_optimization",
        "Automatic",
        "Attention method",
        OPTIMIZATIONS,
        no_effect("PyTorch's scaled dot product attention is used, or xformers with --xformers"),
    ),
    Option(
        "s_min_uncond", 0.0, "Leave the negative prompt out below this sigma", OPTIMIZATIONS, WORKS, "NGMS"
    ),
    Option(
        "s_min_uncond_all",
        False,
        "NGMS in every step, not in every second",
        OPTIMIZATIONS,
        WORKS,
        "NGMS all steps",
    ),
    Option("token_merging_ratio", 0.0, "Token merging ratio", OPTIMIZATIONS, WORKS, "Token merging ratio"),
    Option("token_merging_ratio_img2img", 0.0, "Token merging ratio for img2img", OPTIMIZATIONS, WORKS),
    Option(
        "token_merging_ratio_hr",
        0.0,
        "Token merging ratio for the hires pass",
        OPTIMIZATIONS,
        WORKS,
        "Token merging ratio hr",
    ),
    Option(
        "pad_cond_uncond",
        False,
        "Pad the shorter of prompt and negative prompt",
        OPTIMIZATIONS,
        WORKS,
        "Pad conds",
    ),
    Option(
        "pad_cond_uncond_v0",
        False,
        "Pad as version 1.6 did: a longer negative prompt is cut",
        OPTIMIZATIONS,
        WORKS,
        "Pad conds v0",
    ),
    Option(
        "persistent_cond_cache",
        True,
        "Keep encoded prompts between requests",
        OPTIMIZATIONS,
        no_effect("they are always kept, and pictures are the same either way"),
    ),
    Option(
        "batch_cond_uncond",
        True,
        "Evaluate prompt and negative prompt together",
        OPTIMIZATIONS,
        no_effect("pictures are the same either way; the server decides"),
    ),
    Option(
        "fp8_storage", "Disable", 'Keep weights in 8 bits: "Enable", "Enable for SDXL"', OPTIMIZATIONS, FP8
    ),
    Option("cache_fp16_weight", False, "Keep 16-bit weights as well, for LoRA", OPTIMIZATIONS, FP8),
    Option(
        "auto_backcompat",
        True,
        "Switch on old behaviour when the infotext of an old version is used",
        COMPATIBILITY,
        WORKS,
    ),
    Option(
        "use_old_emphasis_implementation",
        False,
        "Emphasis as before chunks of 75 tokens",
        COMPATIBILITY,
        WORKS,
    ),
    Option("use_old_karras_scheduler_sigmas", False, "Karras schedule from 10 to 0.1", COMPATIBILITY, WORKS),
    Option(
        "no_dpmpp_sde_batch_determinism", False, "One noise for a whole DPM++ SDE batch", COMPATIBILITY, WORKS
    ),
    Option(
        "use_old_hires_fix_width_height",
        False,
        "Hires: width and height are those of the result",
        COMPATIBILITY,
        WORKS,
    ),
    Option(
        "hires_fix_use_firstpass_conds",
        False,
        "Hires: encode prompts with the networks of the first pass",
        COMPATIBILITY,
        WORKS,
    ),
    Option(
        "use_old_scheduling",
        False,
        "Prompt editing: old meaning of numbers",
        COMPATIBILITY,
        WORKS,
        "Old prompt editing timelines",
    ),
    Option(
        "use_downcasted_alpha_bar",
        False,
        "Noise schedule rounded to 16 bits",
        COMPATIBILITY,
        WORKS,
        "Downcast alphas_cumprod",
    ),
    Option(
        "refiner_switch_by_sample_steps",
        False,
        "Refiner: switch by sampling steps",
        COMPATIBILITY,
        WORKS,
        "Refiner switch by sampling steps",
    ),
)

"""Options of the pages infotext, live previews, sampler parameters and postprocessing."""

from __future__ import annotations

from sdapi_compat.options.option import INTERFACE, WORKS, Option, Section, no_effect, not_yet

INFOTEXT = Section("infotext", "Infotext")
# The original files live previews under the key of the user interface page.
PREVIEWS = Section("ui", "Live previews")
SAMPLER = Section("sampler-params", "Sampler parameters")
POSTPROCESSING = Section("postprocessing", "Postprocessing")

POSTPROCESSORS = not_yet("the order and the cache of postprocessing are fixed")

INFOTEXT_AND_PREVIEWS: tuple[Option, ...] = (
    Option(
        "infotext_explanation",
        "Infotext is the text beneath a picture: its prompt and everything else needed to make it again.",
        "",
        INFOTEXT,
        no_effect("a text, not a setting"),
        explanation=True,
    ),
    Option("enable_pnginfo", True, "Write infotext into picture files", INFOTEXT, WORKS),
    Option("save_txt", False, "Write infotext to a .txt file beside each picture", INFOTEXT, WORKS),
    Option("add_model_name_to_info", True, "Name the checkpoint", INFOTEXT, WORKS),
    Option("add_model_hash_to_info", True, "Give the checkpoint's hash", INFOTEXT, WORKS),
    Option("add_vae_name_to_info", True, "Name the VAE", INFOTEXT, WORKS),
    Option("add_vae_hash_to_info", True, "Give the VAE's hash", INFOTEXT, WORKS),
    Option(
        "add_user_name_to_info",
        False,
        "Name the user who is logged in",
        INFOTEXT,
        no_effect("as in the original, requests of the API carry no user name"),
    ),
    Option("add_version_to_infotext", True, "Give the program's version", INFOTEXT, WORKS),
    Option(
        "disable_weights_auto_swap",
        True,
        "infotext in a request does not change the checkpoint",
        INFOTEXT,
        WORKS,
    ),
    Option("infotext_skip_pasting", (), "Fields of infotext to leave out when it is read", INFOTEXT, WORKS),
    Option(
        "infotext_styles",
        "Apply if any",
        'Find styles in the prompts of infotext: "Ignore", "Apply", "Discard" or "Apply if any"',
        INFOTEXT,
        WORKS,
    ),
    Option("show_progressbar", True, "Progress bar", PREVIEWS, INTERFACE),
    Option("live_previews_enable", True, "Previews while a picture is made", PREVIEWS, WORKS),
    Option(
        "live_previews_image_format", "png", 'Format of previews: "png", "jpeg" or "webp"', PREVIEWS, WORKS
    ),
    Option(
        "show_progress_grid",
        True,
        "Preview the whole batch, as a grid",
        PREVIEWS,
        WORKS,
    ),
    Option("show_progress_every_n_steps", 10, "Steps between previews, -1: once per batch", PREVIEWS, WORKS),
    Option(
        "show_progress_type",
        "Approx NN",
        'Preview method: "Full", "TAESD" where its file is present, else a linear map ("Approx cheap")',
        PREVIEWS,
        WORKS,
    ),
    Option(
        "live_preview_allow_lowvram_full",
        False,
        "Full previews with --medvram and --lowvram too",
        PREVIEWS,
        WORKS,
    ),
    Option(
        "live_preview_content",
        "Prompt",
        'What to preview: "Combined", "Prompt", "Negative prompt"',
        PREVIEWS,
        WORKS,
    ),
    Option(
        "live_preview_refresh_period", 1000, "Milliseconds between polls of the page", PREVIEWS, INTERFACE
    ),
    Option(
        "live_preview_fast_interrupt",
        False,
        "Interrupted: return the preview instead of decoding",
        PREVIEWS,
        not_yet("interrupted pictures are decoded"),
    ),
    Option(
        "js_live_preview_in_modal_lightbox", False, "Previews in the full page viewer", PREVIEWS, INTERFACE
    ),
    Option("prevent_screen_sleep_during_generation", True, "Keep the screen awake", PREVIEWS, INTERFACE),
)

SAMPLERS: tuple[Option, ...] = (
    Option(
        "hide_samplers",
        (),
        "Samplers not to show",
        SAMPLER,
        no_effect("as in the original, the API lists and takes all of them"),
    ),
    Option("eta_ddim", 0.0, "DDIM: amount of noise, 0 to 1", SAMPLER, WORKS, "Eta DDIM"),
    Option(
        "eta_ancestral", 1.0, "Ancestral and SDE samplers: amount of noise, 0 to 1", SAMPLER, WORKS, "Eta"
    ),
    Option("ddim_discretize", "uniform", "DDIM: steps", SAMPLER, no_effect("unused in the original too")),
    Option("s_churn", 0.0, "Churn: amount of noise added", SAMPLER, WORKS, "Sigma churn"),
    Option("s_tmin", 0.0, "Churn: lowest sigma", SAMPLER, WORKS, "Sigma tmin"),
    Option("s_tmax", 0.0, "Churn: highest sigma, 0: no limit", SAMPLER, WORKS, "Sigma tmax"),
    Option("s_noise", 1.0, "Churn: factor of the noise", SAMPLER, WORKS, "Sigma noise"),
    Option("sigma_min", 0.0, "Lowest sigma, 0: the model's", SAMPLER, WORKS, "Schedule min sigma"),
    Option("sigma_max", 0.0, "Highest sigma, 0: the model's", SAMPLER, WORKS, "Schedule max sigma"),
    Option("rho", 0.0, "Karras, polyexponential: rho, 0: the schedule's own", SAMPLER, WORKS, "Schedule rho"),
    Option("eta_noise_seed_delta", 0, "Added to the seed for noise after the first", SAMPLER, WORKS, "ENSD"),
    Option(
        "always_discard_next_to_last_sigma",
        False,
        "Leave the last but one sigma out",
        SAMPLER,
        WORKS,
        "Discard penultimate sigma",
    ),
    Option(
        "sgm_noise_multiplier",
        False,
        "Starting noise as in SDXL's own code",
        SAMPLER,
        WORKS,
        "SGM noise multiplier",
    ),
    Option("uni_pc_variant", "bh1", 'UniPC: "bh1", "bh2" or "vary_coeff"', SAMPLER, WORKS, "UniPC variant"),
    Option(
        "uni_pc_skip_type",
        "time_uniform",
        'UniPC: "time_uniform", "time_quadratic" or "logSNR"',
        SAMPLER,
        WORKS,
        "UniPC skip type",
    ),
    Option("uni_pc_order", 3, "UniPC: order", SAMPLER, WORKS, "UniPC order"),
    Option(
        "uni_pc_lower_order_final",
        True,
        "UniPC: lower order at the end",
        SAMPLER,
        WORKS,
        "UniPC lower order final",
    ),
    Option(
        "sd_noise_schedule",
        "Default",
        'Noise schedule of the model: "Default" or "Zero Terminal SNR"',
        SAMPLER,
        WORKS,
        "Noise Schedule",
    ),
    Option(
        "skip_early_cond",
        0.0,
        "Leave the negative prompt out of this share",
        SAMPLER,
        WORKS,
        "Skip Early CFG",
    ),
    Option("beta_dist_alpha", 0.6, "Beta schedule: alpha", SAMPLER, WORKS, "Beta scheduler alpha"),
    Option("beta_dist_beta", 0.6, "Beta schedule: beta", SAMPLER, WORKS, "Beta scheduler beta"),
    Option("postprocessing_enable_in_main_ui", (), "Operations on the other tabs", POSTPROCESSING, INTERFACE),
    Option("postprocessing_disable_in_extras", (), "Operations to hide", POSTPROCESSING, INTERFACE),
    Option("postprocessing_operation_order", (), "Order of operations", POSTPROCESSING, POSTPROCESSORS),
    Option(
        "upscaling_max_images_in_cache", 5, "Upscaled pictures kept in RAM", POSTPROCESSING, POSTPROCESSORS
    ),
    Option(
        "postprocessing_existing_caption_action", "Ignore", "Existing captions", POSTPROCESSING, INTERFACE
    ),
)

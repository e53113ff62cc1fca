"""Options of the pages upscaling, face restoration, system, profiler, API and training."""

from __future__ import annotations

from sdapi_compat.options.option import (
    CONSOLE,
    INTERFACE,
    TRAINING,
    WORKS,
    Option,
    Section,
    no_effect,
    not_yet,
)

UPSCALING = Section("upscaling", "Upscaling")
FACES = Section("face-restoration", "Face restoration")
SYSTEM = Section("system", "System")
PROFILER = Section("profiler", "Profiler")
API = Section("API", "API")
TRAIN = Section("training", "Training")

NETWORK_UPSCALERS = not_yet("upscaling networks")
FACE_MODELS = not_yet("face restoration")
PROFILING = not_yet("profiling")

UPSCALERS_AND_FACES: tuple[Option, ...] = (
    Option("ESRGAN_tile", 192, "ESRGAN: tile size in pixels, 0: no tiles", UPSCALING, NETWORK_UPSCALERS),
    Option("ESRGAN_tile_overlap", 8, "ESRGAN: overlap of tiles in pixels", UPSCALING, NETWORK_UPSCALERS),
    Option(
        "realesrgan_enabled_models",
        ("R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B"),
        "Real-ESRGAN models in the list of upscalers",
        UPSCALING,
        NETWORK_UPSCALERS,
    ),
    Option(
        "dat_enabled_models",
        ("DAT x2", "DAT x3", "DAT x4"),
        "DAT models in the list of upscalers",
        UPSCALING,
        NETWORK_UPSCALERS,
    ),
    Option("DAT_tile", 192, "DAT: tile size in pixels, 0: no tiles", UPSCALING, NETWORK_UPSCALERS),
    Option("DAT_tile_overlap", 8, "DAT: overlap of tiles in pixels", UPSCALING, NETWORK_UPSCALERS),
    Option(
        "upscaler_for_img2img",
        None,
        "Upscaler that enlarges img2img inputs, null: Lanczos",
        UPSCALING,
        WORKS,
        nullable=True,
    ),
    Option(
        "set_scale_by_when_changing_upscaler", False, "Set the factor by upscaler name", UPSCALING, INTERFACE
    ),
    Option("face_restoration", False, "Restore faces", FACES, FACE_MODELS, "Face restoration"),
    Option("face_restoration_model", "CodeFormer", 'Model: "CodeFormer" or "GFPGAN"', FACES, FACE_MODELS),
    Option("code_former_weight", 0.5, "CodeFormer weight, 0: strongest, 1: weakest", FACES, FACE_MODELS),
    Option("face_restoration_unload", False, "Move the model to RAM after use", FACES, FACE_MODELS),
)

SYSTEM_PAGES: tuple[Option, ...] = (
    Option("auto_launch_browser", "Local", "Open a browser at start", SYSTEM, INTERFACE),
    Option("enable_console_prompts", False, "Print prompts", SYSTEM, CONSOLE),
    Option("show_warnings", False, "Print warnings", SYSTEM, no_effect("the flag --loglevel decides")),
    Option("show_gradio_deprecation_warnings", True, "Print gradio's warnings", SYSTEM, INTERFACE),
    Option(
        "memmon_poll_rate",
        8,
        "Measure memory so often per second",
        SYSTEM,
        no_effect("memory is measured when somebody asks for it"),
    ),
    Option("samples_log_stdout", False, "Print the infotext of every picture", SYSTEM, CONSOLE),
    Option("multiple_tqdm", True, "Second progress bar for the whole job", SYSTEM, CONSOLE),
    Option("enable_upscale_progressbar", True, "Progress bar for tiled upscaling", SYSTEM, CONSOLE),
    Option("print_hypernet_extra", False, "Print details of hypernetworks", SYSTEM, CONSOLE),
    Option("list_hidden_files", True, "List models in hidden folders", SYSTEM, WORKS),
    Option(
        "disable_mmap_load_safetensors",
        False,
        "Read .safetensors files as a whole, for slow network drives",
        SYSTEM,
        not_yet("files are always memory-mapped"),
    ),
    Option("hide_ldm_prints", True, "Silence the original's model libraries", SYSTEM, CONSOLE),
    Option(
        "dump_stacks_on_signal",
        False,
        "Print stacks on Ctrl+C",
        SYSTEM,
        no_effect("Ctrl+C ends what is running in order"),
    ),
    Option(
        "profiling_explanation",
        "These options switch on PyTorch's profiler while pictures are made. Every request writes a trace,\n"
        "which replaces the one before. A trace may take half a minute to write and half a gigabyte of disk.",
        "",
        PROFILER,
        PROFILING,
        explanation=True,
    ),
    Option("profiling_enable", False, "Profile requests", PROFILER, PROFILING),
    Option("profiling_activities", ("CPU",), 'What to profile: "CPU", "CUDA"', PROFILER, PROFILING),
    Option("profiling_record_shapes", True, "Record shapes", PROFILER, PROFILING),
    Option("profiling_profile_memory", True, "Profile memory", PROFILER, PROFILING),
    Option("profiling_with_stack", True, "Record Python stacks", PROFILER, PROFILING),
    Option("profiling_filename", "trace.json", "Name of the trace", PROFILER, PROFILING),
    Option("api_enable_requests", True, "Take input pictures by URL", API, WORKS, restricted=True),
    Option("api_forbid_local_requests", True, "Refuse URLs of local machines", API, WORKS, restricted=True),
    Option("api_useragent", "", "User-Agent for fetching pictures", API, WORKS, restricted=True),
    Option("unload_models_when_training", False, "Move VAE and text encoder to RAM", TRAIN, TRAINING),
    Option("pin_memory", False, "Pin the data loader's memory", TRAIN, TRAINING),
    Option("save_optimizer_state", False, "Save the optimizer's state", TRAIN, TRAINING),
    Option(
        "save_training_settings_to_txt", True, "Write the settings of a training to a file", TRAIN, TRAINING
    ),
    Option(
        "dataset_filename_word_regex", "", "Words of a caption in a file name, as a regex", TRAIN, TRAINING
    ),
    Option("dataset_filename_join_string", " ", "What joins those words", TRAIN, TRAINING),
    Option("training_image_repeats_per_epoch", 1, "Repeats of a picture per epoch", TRAIN, TRAINING),
    Option("training_write_csv_every", 500, "Steps between two lines of the loss log", TRAIN, TRAINING),
    Option("training_xattention_optimizations", False, "Fast attention while training", TRAIN, TRAINING),
    Option("training_enable_tensorboard", False, "Write tensorboard events", TRAIN, TRAINING),
    Option("training_tensorboard_save_images", False, "Write pictures to tensorboard", TRAIN, TRAINING),
    Option(
        "training_tensorboard_flush_every", 120, "Seconds between two tensorboard writes", TRAIN, TRAINING
    ),
)

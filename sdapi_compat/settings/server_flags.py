"""Flags about the server, its limits, options and extensions."""

from __future__ import annotations

from sdapi_compat.settings.flag import FEATURE, INTERFACE, OBSOLETE, WORKS, Flag, ignored

TUNNEL = ignored("the server opens no tunnels; put a reverse proxy in front of it")
CONSOLE = ignored("nothing of the kind is printed on the console")

SERVER: tuple[Flag, ...] = (
    Flag("--api", "switch", False, "Serve the API.", ignored("the API is always served")),
    Flag(
        "--nowebui",
        "switch",
        False,
        "Listen on port 7861 too, the original's port in this mode, when it is free and no --port is given.",
        WORKS,
    ),
    Flag(
        "--listen", "switch", False, "Answer other machines: listen on 0.0.0.0 instead of 127.0.0.1.", WORKS
    ),
    Flag("--server-name", "text", None, "Address to listen on.", WORKS),
    Flag(
        "--port", "port", None, "Port to listen on; without it the first free one from 7860 to 7959.", WORKS
    ),
    Flag(
        "--api-auth",
        "text",
        None,
        'Users as "name:password", separated by commas. Every route then asks for one of them. '
        'A password may hold ":", but no comma.',
        WORKS,
        secret=True,
    ),
    Flag(
        "--gradio-auth",
        "text",
        None,
        "More users, as --api-auth. Unlike in the original they are required for every route.",
        WORKS,
        secret=True,
    ),
    Flag(
        "--gradio-auth-path",
        "path",
        None,
        "File of more users, separated by commas or lines.",
        WORKS,
        secret=True,
    ),
    Flag("--api-log", "switch", False, "Print a line for each request of the API.", WORKS),
    Flag("--api-server-stop", "switch", False, "Offer the routes server-kill, -restart and -stop.", WORKS),
    Flag("--cors-allow-origins", "text", None, "Origins whose pages may call, separated by commas.", WORKS),
    Flag("--cors-allow-origins-regex", "regex", None, "The same, as one regular expression.", WORKS),
    Flag("--tls-certfile", "path", None, "Certificate for HTTPS; needs --tls-keyfile.", WORKS),
    Flag("--tls-keyfile", "path", None, "Private key for HTTPS; needs --tls-certfile.", WORKS, secret=True),
    Flag("--subpath", "text", None, "Path below which a reverse proxy offers the server.", WORKS),
    Flag("--timeout-keep-alive", "integer", 30, "Seconds an idle connection is kept.", WORKS),
    Flag("--loglevel", "level", None, "CRITICAL, ERROR, WARNING, INFO (default) or DEBUG.", WORKS),
    Flag("--skip-load-model-at-start", "switch", False, "Load the checkpoint at the first request.", WORKS),
    Flag("--freeze-settings", "switch", False, "No request may change options.", WORKS),
    Flag(
        "--freeze-settings-in-sections",
        "text",
        None,
        "Sections of options to freeze, separated by commas.",
        WORKS,
    ),
    Flag("--freeze-specific-settings", "text", None, "Options to freeze, separated by commas.", WORKS),
    Flag(
        "--hide-ui-dir-config",
        "switch",
        False,
        "Requests that set folders or name patterns are ignored.",
        WORKS,
    ),
    Flag("--no-prompt-history", "switch", False, "Do not write params.txt.", WORKS),
    Flag("--disable-all-extensions", "switch", False, "Load no extensions.", WORKS),
    Flag("--disable-extra-extensions", "switch", False, "Load no extensions but the built-in ones.", WORKS),
    Flag("--filenames-max-length", "count", 128, "Longest name of a saved file, in characters.", WORKS),
    Flag(
        "--unix-filenames-sanitization", "switch", False, "Allow every character but / in file names.", WORKS
    ),
)

OURS: tuple[Flag, ...] = (
    Flag("--max-body-mb", "count", 512, "Largest request body, in MiB.", WORKS, listed=False),
    Flag(
        "--max-pixels",
        "count",
        128 * 1024 * 1024,
        "Pixels of the largest input picture.",
        WORKS,
        listed=False,
    ),
    Flag(
        "--max-image-size",
        "count",
        4096,
        "Largest width and height to generate, in pixels.",
        WORKS,
        listed=False,
    ),
    Flag("--max-queue", "count", 1000, "Generations that may wait; more are refused.", WORKS, listed=False),
    Flag(
        "--graceful-timeout",
        "seconds",
        30.0,
        "Seconds that running work has at shutdown.",
        WORKS,
        listed=False,
    ),
    Flag("--scripts-dir", "path", "{data}/scripts", "Folder of scripts.", WORKS, listed=False),
    Flag("--extensions-dir", "path", "{data}/extensions", "Folder of extensions.", WORKS, listed=False),
)

INTERFACE_FLAGS: tuple[Flag, ...] = (
    Flag("--share", "switch", False, "Share through gradio.", TUNNEL),
    Flag("--ngrok", "text", None, "Token for ngrok.", TUNNEL, secret=True),
    Flag("--ngrok-options", "json", {}, "Options for ngrok.", TUNNEL, secret=True),
    Flag("--ngrok-region", "text", "", "Region for ngrok.", OBSOLETE),
    Flag("--gradio-allowed-path", "paths", ("{data}",), "Folder that the interface may read.", INTERFACE),
    Flag("--gradio-debug", "switch", False, "Debug gradio.", INTERFACE),
    Flag("--gradio-queue", "switch", True, "Queue of the interface.", OBSOLETE),
    Flag("--no-gradio-queue", "switch", False, "No queue of the interface.", INTERFACE),
    Flag("--gradio-img2img-tool", "text", None, "Editor.", OBSOLETE),
    Flag("--gradio-inpaint-tool", "text", None, "Editor.", OBSOLETE),
    Flag("--disable-tls-verify", "switch", None, "Allow self-signed certificates.", INTERFACE),
    Flag("--autolaunch", "switch", False, "Open a browser.", INTERFACE),
    Flag("--theme", "text", None, "Light or dark.", INTERFACE),
    Flag("--use-textbox-seed", "switch", False, "Seed as a text box.", INTERFACE),
    Flag("--ui-config-file", "path", "{data}/ui-config.json", "Defaults of the interface.", INTERFACE),
    Flag("--ui-debug-mode", "switch", False, "Interface without models.", INTERFACE),
    Flag("--localizations-dir", "path", "{data}/localizations", "Folder of translations.", INTERFACE),
    Flag("--enable-insecure-extension-access", "switch", False, "Extensions tab for everybody.", INTERFACE),
    Flag(
        "--allow-code",
        "switch",
        False,
        "Let requests run Python code.",
        ignored("the server never runs code from requests"),
    ),
    Flag("--disable-console-progressbars", "switch", False, "No progress bars.", CONSOLE),
    Flag("--enable-console-prompts", "switch", False, "Default of the option of that name.", CONSOLE),
    Flag("--no-progressbar-hiding", "switch", False, "Show the progress bar.", OBSOLETE),
    Flag("--show-negative-prompt", "switch", False, "Show the negative prompt.", OBSOLETE),
    Flag("--add-stop-route", "switch", False, "See --api-server-stop.", OBSOLETE),
    Flag("--administrator", "switch", False, "Administrator rights.", OBSOLETE),
    Flag("--max-batch-count", "integer", 16, "Largest batch count of the interface.", OBSOLETE),
    Flag("--deepdanbooru", "switch", False, "Enable deepdanbooru.", OBSOLETE),
    Flag("--unload-gfpgan", "switch", False, "Unload GFPGAN.", OBSOLETE),
    Flag("--always-batch-cond-uncond", "switch", False, "Batch prompt and negative prompt.", OBSOLETE),
    Flag("-f", "switch", False, "Given by notebooks.", OBSOLETE),
)

FOLDER_FLAGS: tuple[Flag, ...] = (
    Flag(
        "--data-dir",
        "path",
        "{data}",
        "Folder of options, models and outputs; without it the folder of launch.py, or else the current one.",
        WORKS,
    ),
    Flag("--models-dir", "path", None, "Folder of models; without it models/ in the data folder.", WORKS),
    Flag("--ckpt", "path", "{data}/model.ckpt", "A checkpoint to list and load first.", WORKS),
    Flag("--ckpt-dir", "path", None, "One more folder of checkpoints.", WORKS),
    Flag("--vae-dir", "path", None, "One more folder of VAEs.", WORKS),
    Flag(
        "--vae-path", "path", None, "VAE for all checkpoints; options about the VAE then do nothing.", WORKS
    ),
    Flag("--embeddings-dir", "path", "{data}/embeddings", "Folder of textual inversion embeddings.", WORKS),
    Flag(
        "--hypernetwork-dir",
        "path",
        "{models}/hypernetworks",
        "Folder of hypernetworks, to list them.",
        WORKS,
    ),
    Flag("--lora-dir", "path", "{models}/Lora", "Folder of LoRAs.", WORKS),
    Flag("--lyco-dir-backcompat", "path", "{models}/LyCORIS", "One more folder of LoRAs.", WORKS),
    Flag("--styles-file", "paths", ("{data}/styles.csv",), "File of styles, may hold wildcards.", WORKS),
    Flag("--ui-settings-file", "path", "{data}/config.json", "File of options.", WORKS),
    Flag(
        "--config",
        "path",
        "{data}/configs/v1-inference.yaml",
        "Model configuration.",
        ignored("the original never reads it; a .yaml named like the checkpoint is used"),
    ),
    Flag(
        "--textual-inversion-templates-dir",
        "path",
        "{data}/textual_inversion_templates",
        "Templates.",
        FEATURE,
    ),
    Flag("--clip-models-path", "path", None, "Folder of CLIP models for interrogation.", FEATURE),
    Flag("--codeformer-models-path", "path", "{models}/Codeformer", "Folder of CodeFormer.", FEATURE),
    Flag("--gfpgan-models-path", "path", "{models}/GFPGAN", "Folder of GFPGAN models.", FEATURE),
    Flag("--gfpgan-dir", "path", "{data}/GFPGAN", "Folder of GFPGAN.", FEATURE),
    Flag("--gfpgan-model", "text", None, "File name of the GFPGAN model.", FEATURE),
    Flag("--esrgan-models-path", "path", "{models}/ESRGAN", "Folder of ESRGAN upscalers.", FEATURE),
    Flag("--bsrgan-models-path", "path", "{models}/BSRGAN", "Folder of BSRGAN upscalers.", FEATURE),
    Flag(
        "--realesrgan-models-path", "path", "{models}/RealESRGAN", "Folder of Real-ESRGAN upscalers.", FEATURE
    ),
    Flag("--dat-models-path", "path", "{models}/DAT", "Folder of DAT upscalers.", FEATURE),
    Flag("--scunet-models-path", "path", "{models}/ScuNET", "Folder of ScuNET upscalers.", FEATURE),
    Flag("--swinir-models-path", "path", "{models}/SwinIR", "Folder of SwinIR upscalers.", FEATURE),
    Flag("--ldsr-models-path", "path", "{models}/LDSR", "Folder of LDSR upscalers.", FEATURE),
)

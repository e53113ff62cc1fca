"""Options of the pages interrogate, extra networks, prompt editing, gallery and user interface."""

from __future__ import annotations

from sdapi_compat.options.option import CONSOLE, INTERFACE, WORKS, Option, Section, not_yet

INTERROGATE = Section("interrogate", "Interrogate")
NETWORKS = Section("extra_networks", "Extra Networks")
EDITING = Section("ui_prompt_editing", "Prompt editing")
GALLERY = Section("ui_gallery", "Gallery")
ALTERNATIVES = Section("ui_alternatives", "UI alternatives")
UI = Section("ui", "User interface")

CAPTIONS = not_yet("interrogation")

NETWORK_PAGES: tuple[Option, ...] = (
    Option(
        "interrogate_keep_models_in_memory", False, "Keep the models on the device", INTERROGATE, CAPTIONS
    ),
    Option("interrogate_return_ranks", False, "Return the rank of each match", INTERROGATE, CAPTIONS),
    Option("interrogate_clip_num_beams", 1, "Caption: beams", INTERROGATE, CAPTIONS),
    Option("interrogate_clip_min_length", 24, "Caption: fewest tokens", INTERROGATE, CAPTIONS),
    Option("interrogate_clip_max_length", 48, "Caption: most tokens", INTERROGATE, CAPTIONS),
    Option("interrogate_clip_dict_limit", 1500, "Lines read of a word list", INTERROGATE, CAPTIONS),
    Option("interrogate_clip_skip_categories", (), "Word lists to leave out", INTERROGATE, CAPTIONS),
    Option("interrogate_deepbooru_score_threshold", 0.5, "Tags: lowest score", INTERROGATE, CAPTIONS),
    Option("deepbooru_sort_alpha", True, "Tags: by name, not by score", INTERROGATE, CAPTIONS),
    Option("deepbooru_use_spaces", True, "Tags: spaces for underscores", INTERROGATE, CAPTIONS),
    Option("deepbooru_escape", True, "Tags: escape brackets", INTERROGATE, CAPTIONS),
    Option("deepbooru_filter_tags", "", "Tags to leave out, separated by commas", INTERROGATE, CAPTIONS),
    Option("extra_networks_show_hidden_directories", True, "Show hidden folders", NETWORKS, INTERFACE),
    Option(
        "extra_networks_dir_button_function", False, "Folder buttons begin with a slash", NETWORKS, INTERFACE
    ),
    Option(
        "extra_networks_hidden_models", "When searched", "Show cards of hidden models", NETWORKS, INTERFACE
    ),
    Option(
        "extra_networks_default_multiplier",
        1.0,
        "Strength of the networks that sd_lora and sd_hypernetwork add",
        NETWORKS,
        WORKS,
    ),
    Option("extra_networks_card_width", 0, "Width of cards in pixels", NETWORKS, INTERFACE),
    Option("extra_networks_card_height", 0, "Height of cards in pixels", NETWORKS, INTERFACE),
    Option("extra_networks_card_text_scale", 1.0, "Text size of cards", NETWORKS, INTERFACE),
    Option("extra_networks_card_show_desc", True, "Description on cards", NETWORKS, INTERFACE),
    Option("extra_networks_card_description_is_html", False, "Descriptions are HTML", NETWORKS, INTERFACE),
    Option("extra_networks_card_order_field", "Path", "What cards are sorted by", NETWORKS, INTERFACE),
    Option("extra_networks_card_order", "Ascending", "Direction of sorting", NETWORKS, INTERFACE),
    Option("extra_networks_tree_view_style", "Dirs", "Folders as a tree or as a list", NETWORKS, INTERFACE),
    Option("extra_networks_tree_view_default_enabled", True, "Folders are shown", NETWORKS, INTERFACE),
    Option(
        "extra_networks_tree_view_default_width", 180, "Width of the folders in pixels", NETWORKS, INTERFACE
    ),
    Option("extra_networks_add_text_separator", " ", "Text before an added network", NETWORKS, INTERFACE),
    Option("ui_extra_networks_tab_reorder", "", "Order of the tabs", NETWORKS, INTERFACE),
    Option("textual_inversion_print_at_load", False, "Print the list of embeddings", NETWORKS, CONSOLE),
    Option(
        "textual_inversion_add_hashes_to_infotext", True, "Hashes of embeddings in infotext", NETWORKS, WORKS
    ),
    Option("sd_hypernetwork", "None", "Hypernetwork for every prompt", NETWORKS, WORKS),
)

UI_PAGES: tuple[Option, ...] = (
    Option("keyedit_precision_attention", 0.1, "Ctrl+Up/Down: step of (word:1.1)", EDITING, INTERFACE),
    Option("keyedit_precision_extra", 0.05, "Ctrl+Up/Down: step of <lora:x:0.9>", EDITING, INTERFACE),
    Option("keyedit_delimiters", ".,\\/!?%^*;:{}=`~() ", "Ctrl+Up/Down: ends of a word", EDITING, INTERFACE),
    Option(
        "keyedit_delimiters_whitespace",
        ("Tab", "Carriage Return", "Line Feed"),
        "Ctrl+Up/Down: white space that ends a word",
        EDITING,
        INTERFACE,
    ),
    Option("keyedit_move", True, "Alt+Left/Right moves words", EDITING, INTERFACE),
    Option("disable_token_counters", False, "No token counters", EDITING, INTERFACE),
    Option("include_styles_into_token_counters", True, "Count the tokens of styles", EDITING, INTERFACE),
    Option("return_grid", True, "Return the grid, when the request has save_images", GALLERY, WORKS),
    Option("do_not_show_images", False, "No pictures in the gallery", GALLERY, INTERFACE),
    Option("js_modal_lightbox", True, "Full page viewer", GALLERY, INTERFACE),
    Option("js_modal_lightbox_initially_zoomed", True, "Viewer begins zoomed in", GALLERY, INTERFACE),
    Option("js_modal_lightbox_gamepad", False, "Viewer listens to a gamepad", GALLERY, INTERFACE),
    Option("js_modal_lightbox_gamepad_repeat", 250, "Gamepad repeat in milliseconds", GALLERY, INTERFACE),
    Option("sd_webui_modal_lightbox_icon_opacity", 1, "Opacity of the viewer's icons", GALLERY, INTERFACE),
    Option("sd_webui_modal_lightbox_toolbar_opacity", 0.9, "Opacity of the viewer's bar", GALLERY, INTERFACE),
    Option("gallery_height", "", "Height of the gallery", GALLERY, INTERFACE),
    Option(
        "open_dir_button_choice", "Subdirectory", "Folder that the folder button opens", GALLERY, INTERFACE
    ),
    Option("compact_prompt_box", False, "Compact prompt box", ALTERNATIVES, INTERFACE),
    Option("samplers_in_dropdown", True, "Samplers in a list", ALTERNATIVES, INTERFACE),
    Option("dimensions_and_batch_together", True, "Size and batch in one row", ALTERNATIVES, INTERFACE),
    Option("sd_checkpoint_dropdown_use_short", False, "Checkpoints without folders", ALTERNATIVES, INTERFACE),
    Option("hires_fix_show_sampler", False, "Show hires checkpoint and sampler", ALTERNATIVES, INTERFACE),
    Option("hires_fix_show_prompts", False, "Show hires prompts", ALTERNATIVES, INTERFACE),
    Option("txt2img_settings_accordion", False, "Fold the txt2img settings", ALTERNATIVES, INTERFACE),
    Option("img2img_settings_accordion", False, "Fold the img2img settings", ALTERNATIVES, INTERFACE),
    Option(
        "interrupt_after_current", True, "Interrupt button waits for the picture", ALTERNATIVES, INTERFACE
    ),
    Option("localization", "None", "Language", UI, INTERFACE),
    Option("quicksettings_list", ("sd_model_checkpoint",), "Options at the top of the page", UI, INTERFACE),
    Option("ui_tab_order", (), "Order of tabs", UI, INTERFACE),
    Option("hidden_tabs", (), "Hidden tabs", UI, INTERFACE),
    Option("ui_reorder_list", (), "Order of the parts of a tab", UI, INTERFACE),
    Option("gradio_theme", "Default", "Theme", UI, INTERFACE),
    Option("gradio_themes_cache", True, "Keep themes on disk", UI, INTERFACE),
    Option("show_progress_in_title", True, "Progress in the window's title", UI, INTERFACE),
    Option("send_seed", True, "Send the seed along to another tab", UI, INTERFACE),
    Option("send_size", True, "Send the size along to another tab", UI, INTERFACE),
    Option("enable_reloading_ui_scripts", False, "Reload scripts with the page", UI, INTERFACE),
)

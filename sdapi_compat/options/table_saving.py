"""Options of the pages about saving pictures."""

from __future__ import annotations

from sdapi_compat.options.option import INTERFACE, WORKS, Option, Section, no_effect, not_yet

IMAGES = Section("saving-images", "Saving images/grids")
PATHS = Section("saving-paths", "Paths for saving")
FOLDERS = Section("saving-to-dirs", "Saving to a directory")

API_FOLDERS = no_effect(
    "as in the original, pictures made by the API go to the folders of the two options below"
)

SAVING: tuple[Option, ...] = (
    Option(
        "samples_save", True, "Save pictures, when the request asks for it with save_images", IMAGES, WORKS
    ),
    Option("samples_format", "png", "Format of pictures, on disk and in replies", IMAGES, WORKS),
    Option("samples_filename_pattern", "", "Pattern of picture file names", IMAGES, WORKS, path=True),
    Option("save_images_add_number", True, "Begin file names with a running number", IMAGES, WORKS),
    Option(
        "save_images_replace_action",
        "Replace",
        'When a file of that name exists: "Replace" or "Add number suffix"',
        IMAGES,
        WORKS,
    ),
    Option("grid_save", True, "Save grids, when the request asks for it with save_images", IMAGES, WORKS),
    Option("grid_format", "png", "Format of grids", IMAGES, WORKS),
    Option(
        "grid_extended_filename",
        False,
        "Put seed and prompt into the file names of grids",
        IMAGES,
        WORKS,
    ),
    Option("grid_only_if_multiple", True, "No grid of a single picture", IMAGES, WORKS),
    Option(
        "grid_prevent_empty_spots", False, "Choose the rows of a grid so that no cell is empty", IMAGES, WORKS
    ),
    Option("grid_zip_filename_pattern", "", "Pattern of archive file names", IMAGES, INTERFACE),
    Option("n_rows", -1, "Rows of a grid; -1: chosen, 0: as many as the batch size", IMAGES, WORKS),
    Option("font", "", "Font of grid legends", IMAGES, WORKS),
    Option("grid_text_active_color", "#000000", "Colour of grid legends", IMAGES, WORKS),
    Option("grid_text_inactive_color", "#999999", "Colour of struck-out grid legends", IMAGES, WORKS),
    Option("grid_background_color", "#ffffff", "Colour behind the pictures of a grid", IMAGES, WORKS),
    Option(
        "save_images_before_face_restoration",
        False,
        "Save a copy from before face restoration",
        IMAGES,
        not_yet("face restoration"),
    ),
    Option(
        "save_images_before_highres_fix",
        False,
        "Save a copy from before the hires pass",
        IMAGES,
        WORKS,
    ),
    Option(
        "save_images_before_color_correction",
        False,
        "Save a copy from before colour correction",
        IMAGES,
        WORKS,
    ),
    Option("save_mask", False, "Save the mask of inpainting", IMAGES, WORKS),
    Option("save_mask_composite", False, "Save the inpainted part cut out by its mask", IMAGES, WORKS),
    Option("jpeg_quality", 80, "Quality of JPEG, WebP and AVIF pictures, 1 to 100", IMAGES, WORKS),
    Option("webp_lossless", False, "Write WebP without loss", IMAGES, WORKS),
    Option(
        "export_for_4chan",
        True,
        "Save a JPEG copy of large pictures beside them",
        IMAGES,
        WORKS,
    ),
    Option(
        "img_downscale_threshold",
        4.0,
        "Size of a large file, in MB",
        IMAGES,
        WORKS,
    ),
    Option(
        "target_side_length",
        4000,
        "Side of a large picture, in pixels",
        IMAGES,
        WORKS,
    ),
    Option("img_max_size_mp", 200, "Largest picture of X/Y/Z plot and SD upscale, megapixels", IMAGES, WORKS),
    Option("use_original_name_batch", True, "Extras batch tab: keep the file names", IMAGES, INTERFACE),
    Option(
        "use_upscaler_name_as_suffix", False, "Extras tab: upscaler's name as a suffix", IMAGES, INTERFACE
    ),
    Option("save_selected_only", True, "Save button: save the selected picture only", IMAGES, INTERFACE),
    Option("save_write_log_csv", True, "Save button: write log.csv", IMAGES, INTERFACE),
    Option("save_init_img", False, "Save the input pictures of img2img", IMAGES, WORKS),
    Option("temp_dir", "", "Folder of the interface's temporary pictures", IMAGES, INTERFACE, path=True),
    Option("clean_temp_dir_at_start", False, "Empty that folder at start", IMAGES, INTERFACE),
    Option("save_incomplete_images", False, "Save pictures of interrupted requests too", IMAGES, WORKS),
    Option("notification_audio", True, "Play a sound when pictures are ready", IMAGES, INTERFACE),
    Option("notification_volume", 100, "Volume of that sound", IMAGES, INTERFACE),
    Option("outdir_samples", "", "One folder for all pictures", PATHS, API_FOLDERS, path=True),
    Option(
        "outdir_txt2img_samples",
        "outputs/txt2img-images",
        "Folder of txt2img pictures",
        PATHS,
        WORKS,
        path=True,
    ),
    Option(
        "outdir_img2img_samples",
        "outputs/img2img-images",
        "Folder of img2img pictures",
        PATHS,
        WORKS,
        path=True,
    ),
    Option(
        "outdir_extras_samples",
        "outputs/extras-images",
        "Folder of the extras tab",
        PATHS,
        INTERFACE,
        path=True,
    ),
    Option("outdir_grids", "", "One folder for all grids", PATHS, API_FOLDERS, path=True),
    Option(
        "outdir_txt2img_grids", "outputs/txt2img-grids", "Folder of txt2img grids", PATHS, WORKS, path=True
    ),
    Option(
        "outdir_img2img_grids", "outputs/img2img-grids", "Folder of img2img grids", PATHS, WORKS, path=True
    ),
    Option("outdir_save", "log/images", "Folder of the Save button", PATHS, INTERFACE, path=True),
    Option(
        "outdir_init_images",
        "outputs/init-images",
        "Folder of img2img input pictures",
        PATHS,
        WORKS,
        path=True,
    ),
    Option("save_to_dirs", True, "Save pictures in a subfolder", FOLDERS, WORKS),
    Option("grid_save_to_dirs", True, "Save grids in a subfolder", FOLDERS, WORKS),
    Option("use_save_to_dirs_for_ui", False, "Save button: save in a subfolder", FOLDERS, INTERFACE),
    Option("directories_filename_pattern", "[date]", "Pattern of subfolder names", FOLDERS, WORKS, path=True),
    Option("directories_max_prompt_words", 8, "Words that [prompt_words] may take", FOLDERS, WORKS),
)
